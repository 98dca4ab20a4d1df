"""Operations of TensorFlow that only compute from their inputs: what the graph of a model may consist of.

Listed are those of tfvision's own exports and of the layers and functions of Keras, and their relatives. A list of what
is harmful would miss what the next TensorFlow adds.
"""

_CALLS = "Case If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile While"

_PLACES = """
    Const Identity IdentityN NoOp Placeholder PlaceholderWithDefault PreventGradient Snapshot StopGradient
    AssignAddVariableOp AssignSubVariableOp AssignVariableOp DestroyResourceOp ReadVariableOp ResourceGather ResourceGatherNd
    DisableCopyOnRead VarHandleOp VarIsInitializedOp VariableShape
    Enter Exit LoopCond Merge NextIteration Switch
    EmptyTensorList TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
    TensorListPushBack TensorListPopBack TensorListReserve TensorListResize TensorListScatterV2 TensorListSetItem
    TensorListSplit TensorListStack TensorListConcatV2
    TensorArrayV3 TensorArrayReadV3 TensorArrayWriteV3 TensorArraySizeV3 TensorArrayGatherV3 TensorArrayScatterV3
    TensorArrayConcatV3 TensorArraySplitV3 TensorArrayCloseV3
    Assert CheckNumerics CheckNumericsV2 EnsureShape
"""

_ARITHMETIC = """
    Abs Acos Acosh Add AddN AddV2 Angle Asin Asinh Atan Atan2 Atanh BesselI0e BesselI1e Betainc BitwiseAnd BitwiseOr BitwiseXor
    Ceil ClipByValue Complex ComplexAbs Conj Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp Digamma Div DivNoNan Einsum Erf
    Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan LeftShift Lgamma Log
    Log1p MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Maximum Minimum Mod Mul MulNoNan Ndtri Neg NextAfter PopulationCount
    Pow Real RealDiv Reciprocal RightShift Rint Round Rsqrt Sigmoid Sign Sin Sinh Sqrt Square SquaredDifference Sub Tan Tanh
    TruncateDiv TruncateMod Xdivy Xlog1py Xlogy
    Cast Bitcast Bucketize Quantize QuantizeV2 Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars
    FakeQuantWithMinMaxVarsPerChannel QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
    ApproximateEqual Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr NotEqual Select SelectV2
    All Any ArgMax ArgMin Bincount DenseBincount EuclideanNorm Max Mean Min Prod Sum SegmentMaxV2 SegmentMinV2 SegmentSum SegmentMean
    SegmentProd UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum
    Cholesky MatrixDeterminant MatrixInverse MatrixSolve MatrixTriangularSolve Qr Svd SelfAdjointEigV2 Eig Lu LogMatrixDeterminant
    FFT FFT2D FFT3D IFFT IFFT2D IFFT3D RFFT RFFT2D RFFT3D IRFFT IRFFT2D IRFFT3D
"""

_SHAPES = """
    BatchToSpace BatchToSpaceND BroadcastArgs BroadcastTo Concat ConcatOffset ConcatV2 DepthToSpace Diag DiagPart DynamicPartition
    DynamicStitch Empty ExpandDims ExtractImagePatches ExtractVolumePatches Fill Gather GatherNd GatherV2 InTopKV2 InvertPermutation
    LinSpace ListDiff LowerBound MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2
    MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MirrorPad NthElement OneHot OnesLike Pack Pad PadV2 ParallelDynamicStitch
    Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd SearchSorted Shape ShapeN Size Slice
    SpaceToBatch SpaceToBatchND SpaceToDepth Split SplitV Squeeze StridedSlice TensorScatterAdd TensorScatterMax TensorScatterMin
    TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile TopK TopKV2 Transpose Unique UniqueV2 UniqueWithCounts
    UniqueWithCountsV2 Unpack UnravelIndex UpperBound Where ZerosLike Zeta
"""

_NETWORKS = """
    AvgPool AvgPool3D BiasAdd BiasAddV1 Conv Conv2D Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D Conv3DBackpropInputV2
    DataFormatDimMap DataFormatVecPermute DepthwiseConv2dNative Dilation2D Elu FractionalAvgPool FractionalMaxPool FusedBatchNorm
    FusedBatchNormV2 FusedBatchNormV3 L2Loss LRN LeakyRelu LogSoftmax MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax Relu Relu6
    Selu SoftmaxCrossEntropyWithLogits Softmax Softplus Softsign SparseSoftmaxCrossEntropyWithLogits Swish
    _FusedConv2D _FusedMatMul
"""

_IMAGES = """
    AdjustContrastv2 AdjustHue AdjustSaturation CropAndResize DecodeAndCropJpeg DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng
    DecodeWebP DrawBoundingBoxesV2 EncodeJpeg EncodePng ExtractGlimpseV2 ExtractJpegShape HSVToRGB ImageProjectiveTransformV2
    ImageProjectiveTransformV3 NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5
    CombinedNonMaxSuppression NonMaxSuppressionWithOverlaps RGBToHSV ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor
    ScaleAndTranslate
"""

_TEXT = """
    AsString DecodeBase64 DecodePaddedRaw DecodeRaw EncodeBase64 ReduceJoin RegexFullMatch RegexReplace StaticRegexFullMatch
    StaticRegexReplace StringFormat StringJoin StringLength StringLower StringSplit StringSplitV2 StringStrip StringToHashBucketFast
    StringToHashBucket StringToHashBucketStrong StringToNumber StringUpper Substr UnicodeDecode UnicodeEncode UnicodeTranscode
"""

_CHANCE = """
    Multinomial ParameterizedTruncatedNormal RandomGamma RandomPoissonV2 RandomShuffle RandomStandardNormal RandomUniform
    RandomUniformInt TruncatedNormal
    RngReadAndSkip RngSkip StatefulRandomBinomial StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform
    StatefulUniformFullInt StatefulUniformInt NonDeterministicInts
    StatelessMultinomial StatelessParameterizedTruncatedNormal StatelessRandomBinomial StatelessRandomGammaV2 StatelessRandomGammaV3
    StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal
    StatelessRandomNormalV2 StatelessRandomPoisson StatelessRandomUniform StatelessRandomUniformFullInt
    StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessShuffle
    StatelessTruncatedNormal StatelessTruncatedNormalV2 StatelessSampleDistortedBoundingBox
"""

# Those by which `serve_bytes` decodes one image after another. Others of their kind read files.
_DATASETS = """
    BatchDatasetV2 ConcatenateDataset DatasetToSingleElement IgnoreErrorsDataset ParallelMapDatasetV2 TensorDataset
    TensorSliceDataset
"""

_GROUPS = (_CALLS, _PLACES, _ARITHMETIC, _SHAPES, _NETWORKS, _IMAGES, _TEXT, _CHANCE, _DATASETS)

HARMLESS = frozenset(name.encode() for group in _GROUPS for name in group.split())

# What TensorFlow's own functions for saving and restoring variables have besides.
SAVING = frozenset({b"MergeV2Checkpoints", b"RestoreV2", b"SaveV2", b"ShardedFilename"})
