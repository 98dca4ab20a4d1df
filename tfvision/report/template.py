"""Load the template of a page, which lies beside the module that fills it."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template


def page_template(name: str, room: str = "report") -> Template:
    """Return a page's template; values are escaped, and a missing value is an error.

    Args:
        name: The file, such as `page.html`. It may include `style.html` of the report.
        room: The package of tfvision that holds it.

    Returns:
        The template.
    """
    loader = ChoiceLoader([PackageLoader(f"tfvision.{package}", "") for package in dict.fromkeys((room, "report"))])
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)
