"""Object stores and web servers by their URLs: through obstore, and through fsspec what obstore cannot do.

One chunk or shard is one PUT, and what is on its way at once is bounded by its bytes. What may be sent again is sent
again (by obstore: whatever a server refuses for the moment, and lost answers). What fails in the end names the object.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import quote, unquote
from weakref import WeakKeyDictionary

import attrs
from zarr.abc.store import Store
from zarr.storage import ObjectStore

from ..config import config
from ..exceptions import OptionError, StoreError
from ..text import mapping_of
from .urls import SCHEMES, UnknownError, as_for_fsspec, by_fsspec, by_obstore, first_line, url_of, words_of_fsspec
from .zarr_private import default_buffer_prototype

_MOST_OF_A_PUT = 5 * 10**9  # what S3 takes in one
CONDITIONAL = ("S3Store", "GCSStore", "AzureStore", "MemoryStore")
_FAREWELL = 0.05  # seconds; a thread of obstore that still lets go of an answer when Python ends aborts the process
_PAUSES = (0.2, 0.8, 3.2)  # seconds
_home: int | None = None  # the process that has started the threads of obstore, which no fork of it has


_given: ContextVar[Mapping[str, Any]] = ContextVar("_given", default=MappingProxyType({}))


@contextmanager
def behind_urls(store_options: Mapping[str, Any] | None) -> Iterator[None]:
    """Open all URLs with options, in this thread alone."""
    before = _given.set({**_given.get(), **mapping_of(store_options, "store_options")})
    try:
        yield
    finally:
        _given.reset(before)


def open_url(url: str, store_options: Mapping[str, Any] | None = None) -> Store:
    """Point to what is behind a URL; nobody is asked anything.

    Args:
        url: such as "s3://bucket/cells.zarr". store_options: words of obstore, or of fsspec; those of `behind_urls`
            and of `config` are taken, too, where they are not said here.

    Raises:
        OptionError: an option is not known. StoreError: the URL is not, or a package is missing.
    """
    options = {**config.store_options, **_given.get(), **(store_options or {})}
    if url.partition("://")[0] in SCHEMES and _home in (None, os.getpid()):
        try:
            kind = WebStore if url.startswith("http") else CloudStore
            return kind(by_obstore(url, options), url=url, options=options)
        except ModuleNotFoundError:
            pass
        except UnknownError as error:
            if not set(options) & words_of_fsspec(url):
                raise OptionError(f"store_options cannot be used for {url}: {error}") from None
    return by_fsspec(url, as_for_fsspec(options))


class CloudStore(ObjectStore[Any]):
    """Store objects through obstore.

    Args:
        store: of obstore. url: where it is, as people write it. options: with which it was opened, by us.
    """

    def __init__(
        self, store: Any, *, read_only: bool = False, url: str = "", options: Mapping[str, Any] | None = None
    ) -> None:
        global _home
        super().__init__(store, read_only=read_only)
        self.url = url.rstrip("/") or url_of(store)
        self.options = options
        said = getattr(store, "config", None) or {}
        self._unconditional = said.get("conditional_put") == "disabled"  # or as the server will say
        if _home is None:
            _home = os.getpid()
            atexit.register(time.sleep, _FAREWELL)

    def __str__(self) -> str:
        return self.url

    def with_read_only(self, read_only: bool = False) -> Self:
        return type(self)(self.store, read_only=read_only, url=self.url, options=self.options)

    def __reduce__(self) -> Any:
        """Pickle what was opened by its URL as that: keys that were found here are looked for anew where it goes."""
        return _unpickled, (None if self.options is not None else self.store, self.read_only, self.url, self.options)

    @property
    def conditional(self) -> bool:
        """Whether an object can be replaced on the condition that it is still what was read, as far as is known."""
        return type(self.store).__name__ in CONDITIONAL and not self._unconditional

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        with self._named(key, "read"):
            return await super().get(key, prototype, byte_range)

    async def exists(self, key: str) -> bool:
        with self._named(key, "read"):
            return await super().exists(key)

    async def getsize(self, key: str) -> int:
        with self._named(key, "read"):
            return await super().getsize(key)

    async def set(self, key: str, value: Any, **unused: Any) -> None:
        self._check_writable()
        await self._put(key, value.as_buffer_like(), None)

    async def set_if_not_exists(self, key: str, value: Any) -> None:
        if self.conditional:
            await self.replace(key, value.to_bytes(), None)
        elif not await self.exists(key):
            await self.set(key, value)

    async def look(self, key: str) -> tuple[bytes | None, Mapping[str, Any] | None]:
        """Read an object, and what tells it from any that replaces it; None and None where there is none."""
        import obstore

        with self._named(key, "read"):
            try:
                found = await obstore.get_async(self.store, key)
                content = bytes(await found.bytes_async())
            except FileNotFoundError:
                return None, None
        return content, {name: value for name in ("e_tag", "version") if (value := found.meta[name]) is not None}

    async def replace(self, key: str, content: bytes, version: Mapping[str, Any] | None) -> bool:
        """Replace the object that was looked at by another; return whether it was still there.

        A server that knows no conditions is asked first, so that two may miss each other there.

        Args:
            key: of the object. content: of the new one. version: what `look` has said; None where there was none.
        """
        from obstore import exceptions

        lost = (exceptions.AlreadyExistsError, exceptions.PreconditionError, *([FileNotFoundError] if version else []))
        self._check_writable()
        for pause in (*_PAUSES, None):  # obstore does not send again what is done on a condition
            try:
                await self._put(key, content, version or "create")
                return True
            except StoreError as error:
                if isinstance(error.__cause__, NotImplementedError) or " 501 " in str(error.__cause__):
                    self._unconditional = True
                    there, now = await self.look(key)
                    if now == version:
                        await self._put(key, content, None)
                    return now == version or there == content
                with suppress(StoreError):
                    if (await self.look(key))[0] == content:  # the answer was lost, or another has done the same
                        return True
                if isinstance(error.__cause__, lost):
                    return False
                if pause is None:
                    raise
            await asyncio.sleep(pause)
        return False

    async def delete(self, key: str) -> None:
        with self._named(key, "deleted"):
            await super().delete(key)

    async def delete_dir(self, prefix: str) -> None:
        await self.delete_entries(await self.entries(f"{prefix.rstrip('/')}/" if prefix else ""))

    async def delete_entries(self, entries: Any) -> None:
        """Delete objects that were listed: a thousand in one request, where there is such a request."""
        import obstore

        self._check_writable()
        if entries:
            with self._named(entries[0]["path"].rpartition("/")[0], "deleted"):
                await obstore.delete_async(self.store, [entry["path"] for entry in entries])

    async def list_prefix(self, prefix: str) -> AsyncGenerator[str, None]:
        with self._named(prefix, "listed"):
            async for key in super().list_prefix(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        with self._named(prefix, "listed"):
            async for key in super().list_dir(prefix):
                yield key

    async def send(self, key: str, content: bytes) -> str:
        """Store an object; return the tag that the store has made of it."""
        self._check_writable()
        return await self._put(key, content, None)

    async def entries(self, prefix: str, *, below: bool = True) -> Any:
        """List the objects that begin with a prefix, as obstore describes them; those in folders, too, or not."""
        import obstore

        with self._named(prefix, "listed"):
            if not below:
                return (await obstore.list_with_delimiter_async(self.store, prefix))["objects"]
            return await obstore.list(self.store, prefix or None).collect_async()

    async def _put(self, key: str, content: Any, mode: Any) -> str:
        import obstore

        size = memoryview(content).nbytes
        async with _SENT.of(size):
            with self._named(key, "written"):
                result = await obstore.put_async(
                    self.store, key, content, mode=mode, use_multipart=size > _MOST_OF_A_PUT
                )
        return str(result["e_tag"] or "").strip('"')

    @contextmanager
    def _named(self, key: str, what: str) -> Iterator[None]:
        """Turn the errors of obstore into ours."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, NotImplementedError) as error:
            if isinstance(error, FileNotFoundError) and what == "read":
                raise
            why = first_line(error)
            what = "reached" if "error sending request" in why else what
            raise StoreError(f"{self.url}/{key} cannot be {what}: {why}") from error


class WebStore(CloudStore):
    """Read what a web server gives; some give no lengths, no parts, and lists for people alone."""

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        from obstore.exceptions import NotSupportedError

        try:
            return await super().get(key, prototype, byte_range)
        except StoreError as error:
            if isinstance(error.__cause__, NotSupportedError) and byte_range is not None:
                whole = await self.get(key, prototype)
                size = len(whole)
                start, end = (
                    getattr(byte_range, "start", getattr(byte_range, "offset", None)),
                    getattr(byte_range, "end", size),
                )
                return whole[max(size - byte_range.suffix, 0) if start is None else start : end]
            if "Content-Length" not in str(error):
                raise
        return await self._other.get(quote(key), prototype, byte_range)

    async def exists(self, key: str) -> bool:
        return await self.get(key, default_buffer_prototype()) is not None

    async def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        async for key in self._other.list_dir(quote(prefix)):  # what is listed are URLs, in which names are quoted
            yield unquote(key)

    async def list_prefix(self, prefix: str) -> AsyncGenerator[str, None]:
        async for key in self._other.list_prefix(quote(prefix)):
            yield unquote(key)

    @property
    def _other(self) -> Store:
        return by_fsspec(self.url, as_for_fsspec(self.options or {}))


def _unpickled(store: Any, read_only: bool, url: str, options: Mapping[str, Any] | None) -> Any:
    opened = open_url(url, options) if options is not None else CloudStore(store, url=url)
    return opened.with_read_only(read_only) if read_only else opened


class _Lost(Store):
    """Stand for a store that cannot be used any more."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        raise StoreError(object.__getattribute__(self, "_why"))


def open_anew(store: CloudStore) -> None:
    """Let fsspec take over in a process that was forked, which has none of the threads of obstore.

    Where it cannot, whatever is asked of the store is an error, rather than waited for without end.
    """
    try:
        if store.options is None:
            raise StoreError("it was opened by somebody else, who must open it again here.")
        twin = by_fsspec(store.url, as_for_fsspec(store.options))
    except StoreError as error:
        why = (
            f"{store.url} was opened through obstore before this process was forked, and cannot be used in it: {error}"
        )
        store.__class__, store.__dict__ = _Lost, {"_why": why}  # type: ignore[assignment]
    else:
        store.__class__, store.__dict__ = type(twin), {**twin.__dict__, "_read_only": store.read_only}  # type: ignore[assignment]


# What is on its way ---------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Way:
    """Let bytes go as long as those on their way are not too many; what is larger goes alone.

    Attributes:
        most: bytes at once, in each loop.
    """

    most: int
    _ways: WeakKeyDictionary[Any, tuple[asyncio.Condition, list[int]]] = attrs.field(factory=WeakKeyDictionary)

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Wait until so many bytes may go, and count them until they have."""
        changed, sent = self._ways.setdefault(asyncio.get_running_loop(), (asyncio.Condition(), [0]))
        async with changed:
            await changed.wait_for(lambda: sent[0] == 0 or sent[0] + size <= self.most)
            sent[0] += size
        try:
            yield
        finally:
            sent[0] -= size
            async with changed:
                changed.notify_all()


_SENT = Way(2**26)
