"""Images with a box each: CSV, PASCAL VOC, COCO and YOLO."""
