"""What is behind URLs, opened through obstore or fsspec: where the words of one are another's, and where keys are."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from zarr.abc.store import Store
from zarr.storage import FsspecStore

from ..exceptions import StoreError

_WEB = ("http", "https")
SCHEMES = {"s3": "s3", "s3a": "s3", "gs": "gs", "az": "az", "abfs": "az", "abfss": "az", **dict.fromkeys(_WEB, "web")}
_CLIENT = {
    "allow_http", "allow_invalid_certificates", "connect_timeout", "default_headers", "pool_idle_timeout",
    "pool_max_idle_per_host", "proxy_url", "proxy_ca_certificate", "proxy_excludes", "root_certificate",
    "randomize_addresses", "read_timeout", "timeout", "user_agent",
}  # fmt: skip
_OF_OBSTORE = {"S3": "s3", "GCS": "gs", "Azure": "az"}
_KEYS = "anon=True for what everybody may read, or profile='name'"
_TRIED = re.compile(r"Generic \w+ error: Error performing \w+ \S+ in \S+, after (\d+) retries, .*? - (.*)")
_ANSWER = re.compile(r"<Code>(\w+)</Code>\s*<Message>([^<]+)</Message>")
_FSSPEC = {"key": "access_key_id", "secret": "secret_access_key", "token": "session_token", "anon": "skip_signature"}


class UnknownError(Exception):
    """obstore does not know an option."""


def by_obstore(url: str, options: Mapping[str, Any]) -> Any:
    import obstore

    scheme = SCHEMES[url.partition("://")[0]]
    given = {_FSSPEC.get(name, name) if scheme == "s3" else name: value for name, value in options.items()}
    words: dict[str, Any] = {word: given.pop(word) for word in ("credential_provider", "retry_config") if word in given}
    client = {name: given.pop(name) for name in set(given) & _CLIENT}
    settings = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    if scheme == "web" and settings:
        raise UnknownError(f"a web server has no {', '.join(sorted(settings))}.")
    if scheme == "s3":
        words = {**_profile(settings), **words}
    endpoints = (url, *settings.values(), *(v for k, v in os.environ.items() if k.startswith("AWS_ENDPOINT")))
    client = {"allow_http": any(place.startswith("http://") for place in endpoints), "timeout": "120s", **client}
    client = {k: f"{v}s" if "timeout" in k and isinstance(v, (int, float)) else v for k, v in client.items()}
    words = {"client_options": client, **({"config": settings} if settings else {}), **words}
    try:
        return obstore.store.from_url(url, **words)
    except obstore.exceptions.UnknownConfigurationKeyError as error:
        raise UnknownError(first_line(error)) from None
    except (obstore.exceptions.BaseError, ValueError, TypeError) as error:
        raise StoreError(f"{url} cannot be opened: {first_line(error)}") from error


def _profile(settings: dict[str, str]) -> dict[str, Any]:
    """Let boto3 find the keys to S3 where they are in its files, which obstore does not read."""
    profile = settings.pop("profile", None)
    known = {"access_key_id", "aws_access_key_id", "skip_signature", "aws_skip_signature"} & set(settings)
    if profile is None and (known or "AWS_ACCESS_KEY_ID" in os.environ):
        return {}
    profile = profile or os.environ.get("AWS_PROFILE")
    files = [os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), "~/.aws/config"]
    if not profile and not any(Path(file).expanduser().is_file() for file in files):
        return {}
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ModuleNotFoundError as error:
        raise StoreError(
            f"The keys to S3 in ~/.aws are read by boto3: pip install 'ome-ngff[cloud]' ({error}). Or give them as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for what everybody may read, store_options anon=true."
        ) from None
    with suppress(ValueError):  # there are none, but perhaps those of the machine
        return {"credential_provider": Boto3CredentialProvider(boto3.Session(profile_name=profile))}
    return {}


def words_of_fsspec(url: str) -> set[str]:
    import fsspec

    try:
        kind = fsspec.get_filesystem_class(url.partition("://")[0])
    except (ImportError, ValueError):
        return set()
    return set(inspect.signature(kind.__init__).parameters) - {"self", "kwargs"}


def by_fsspec(url: str, options: Mapping[str, Any]) -> Store:
    try:
        return FsspecStore.from_url(url, storage_options=dict(options) or None)
    except (ImportError, ValueError, TypeError, OSError) as error:
        scheme, said = url.partition("://")[0], str(error)
        extra = {"web": "http", None: None}.get(SCHEMES.get(scheme), "cloud")
        if not isinstance(error, ImportError) and not (extra and "Protocol not known" in said):
            raise StoreError(f"{url} cannot be opened: {said}") from error
        named = re.findall(r"(?i)\binstall (?:the )?([\w-]+)", said) or re.findall(r"[\"']([\w-]+)[\"']", said)
        what = f"'ome-ngff[{extra}]'" if extra else " ".join(named) or "a package of fsspec for it"
        raise StoreError(f"{url} needs more packages ({said}): pip install {what}") from error


def first_line(error: BaseException) -> str:
    """Return what obstore says, without what it knows of its own insides; of an answer of a store, what that says."""
    said = " ".join(str(error).partition("\n\nDebug source")[0].split())[:500]
    if "/latest/api/token" in said or "metadata.google.internal" in said:  # whom it asks for keys
        said = f"there are no keys to it in the environment. Give store_options, such as {_KEYS}."
    if answer := _ANSWER.search(said):
        return f"{answer[2].rstrip('.')} ({answer[1]})"
    return _TRIED.sub(r"\2 (tried \1 times more)", said)


def as_for_fsspec(options: Mapping[str, Any]) -> dict[str, Any]:
    back = {ours: theirs for theirs, ours in _FSSPEC.items()}
    return {back.get(name, name): value for name, value in options.items() if name not in _CLIENT}


def url_of(store: Any) -> str:
    """Name the place of a store of obstore that somebody else has opened."""
    name, settings = type(store).__name__.removesuffix("Store"), dict(getattr(store, "config", None) or {})
    scheme, root = {"S3": ("s3", "bucket"), "GCS": ("gs", "bucket"), "Azure": ("az", "container_name")}.get(
        name, ("", "")
    )
    if not scheme:
        return str(getattr(store, "url", None) or f"object_store://{store}")
    return "/".join(filter(None, [f"{scheme}://{settings.get(root, '')}", str(store.prefix or "").strip("/")]))
