"""The upload to a hub, by the library huggingface_hub."""

import importlib.util
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tfvision.errors import RunError, UsageError, one_line
from tfvision.export.hub.contents import HubFile
from tfvision.system.terminal import console

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

_LIBRARY = "huggingface_hub"


def require_token() -> str:
    """Return the token of the user, as huggingface_hub finds it.

    Returns:
        The token.

    Raises:
        UsageError: huggingface_hub is not installed, or there is no token.
    """
    if importlib.util.find_spec(_LIBRARY) is None:
        raise UsageError("push needs huggingface_hub; install it with: pip install 'tfvision[push]'")
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        raise UsageError("no token for the hub: sign in with `hf auth login`, or set HF_TOKEN to one that may write")
    return token


def upload(
    files: Sequence[HubFile], repo: str, *, token: str, private: bool, revision: str | None, message: str
) -> str:
    """Create the repository if it is missing, and commit the files to it.

    Args:
        files: What goes there.
        repo: The repository, such as `me/cells`.
        token: The token of the user.
        private: Whether the repository is to be private.
        revision: The branch, made if it is missing; None for the main one.
        message: What the commit says.

    Returns:
        The address of the commit.

    Raises:
        RunError: The hub cannot be reached or refuses, or `private` was asked for and the repository is public.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if console.quiet or not console.is_terminal:
        disable_progress_bars()
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token, library_name="tfvision")
    with _told_in_a_line(api, repo), tempfile.TemporaryDirectory() as temporary:
        api.create_repo(repo, private=private or None, exist_ok=True)
        _refuse_public(api, repo, private)
        if revision:
            api.create_branch(repo, branch=revision, exist_ok=True)
        operations = [_operation(each, Path(temporary)) for each in files]
        commit = api.create_commit(repo, operations, commit_message=message, revision=revision)
    return str(commit.commit_url)


def _refuse_public(api: "HfApi", repo: str, private: bool) -> None:
    """Refuse to upload to a repository that was public before: the hub does not change that when it is asked to create it."""
    if private and not api.model_info(repo).private:
        raise RunError(
            f"{repo} exists on the hub and is public, and --private does not change that; nothing was uploaded: make it private "
            "there, or choose another name"
        )


def _operation(each: HubFile, temporary: Path) -> "CommitOperationAdd":
    from huggingface_hub import CommitOperationAdd

    source: bytes | str = each.source if isinstance(each.source, bytes) else str(each.source)
    if each.member:
        with zipfile.ZipFile(source) as archive:  # type: ignore[arg-type]  # a member is always of a file
            source = archive.extract(each.member, temporary)
    return CommitOperationAdd(each.name, source)


@contextmanager
def _told_in_a_line(api: "HfApi", repo: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into a `RunError` of one line."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:  # networks and hubs fail in many ways
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise RunError(
                f"the hub refuses to write to {repo} ({status}); the token must be one that may write, of a member of "
                f"{repo.partition('/')[0]}"
            ) from error
        if status is not None:
            raise RunError(f"the hub answers {status} for {repo}: {one_line(error)}") from error
        cause = error.__cause__ or error
        raise RunError(
            f"cannot upload to {api.endpoint}: {one_line(cause) or type(cause).__name__}; nothing was "
            "committed, try again"
        ) from error
