"""A named pipe of Windows that this account alone can use, and from this computer alone.

That of :mod:`multiprocessing` has Windows' default descriptor: everybody may read, also over the network, and where
the program runs as administrator its owner is the group of administrators instead of the person.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import _winapi
    import ctypes
    from collections.abc import Iterator
    from contextlib import contextmanager
    from ctypes import wintypes
    from multiprocessing import connection

    #: winbase.h, winnt.h
    _PIPE_REJECT_REMOTE_CLIENTS, _TOKEN_QUERY, _TOKEN_USER, _SDDL_REVISION = 0x8, 0x8, 1, 1

    class _Attributes(ctypes.Structure):
        """SECURITY_ATTRIBUTES."""

        _fields_ = (
            ("length", wintypes.DWORD),
            ("descriptor", ctypes.c_void_p),
            ("inherited", wintypes.BOOL),
        )

    class PrivatePipe(connection.PipeListener):
        """Listens at an address ``\\\\.\\pipe\\…`` that nobody else has.

        :raises OSError: somebody has
        """

        def _new_handle(self, first: bool = False) -> int:
            """One more instance of the pipe, which one caller connects to."""
            mode = _winapi.PIPE_ACCESS_DUPLEX | _winapi.FILE_FLAG_OVERLAPPED
            if first:
                mode |= _winapi.FILE_FLAG_FIRST_PIPE_INSTANCE
            kind = _winapi.PIPE_TYPE_MESSAGE | _winapi.PIPE_READMODE_MESSAGE | _winapi.PIPE_WAIT
            kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            kernel.CreateNamedPipeW.argtypes = [
                wintypes.LPCWSTR,
                *[wintypes.DWORD] * 6,
                ctypes.POINTER(_Attributes),
            ]
            kernel.CreateNamedPipeW.restype = wintypes.HANDLE
            with _attributes() as attributes:
                handle = kernel.CreateNamedPipeW(
                    self._address,
                    mode,
                    kind | _PIPE_REJECT_REMOTE_CLIENTS,
                    _winapi.PIPE_UNLIMITED_INSTANCES,
                    connection.BUFSIZE,
                    connection.BUFSIZE,
                    0,
                    ctypes.byref(attributes),
                )
            if handle is None or handle == wintypes.HANDLE(-1).value:
                raise ctypes.WinError(ctypes.get_last_error())
            return int(handle)

    @contextmanager
    def _attributes() -> Iterator[_Attributes]:
        """Everything for this account, nothing for anybody else."""
        security = ctypes.WinDLL("advapi32", use_last_error=True)
        descriptor = ctypes.c_void_p()
        wish = f"D:P(A;;FA;;;{account()})"
        if not security.ConvertStringSecurityDescriptorToSecurityDescriptorW(
            wish, _SDDL_REVISION, ctypes.byref(descriptor), None
        ):
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            yield _Attributes(ctypes.sizeof(_Attributes), descriptor.value, False)
        finally:
            _free(descriptor)

    def account() -> str:
        """The account's security identifier, ``S-1-5-21-…``; the same with and without administrator's rights."""
        security = ctypes.WinDLL("advapi32", use_last_error=True)
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        security.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE)]
        security.GetTokenInformation.argtypes = [
            wintypes.HANDLE,
            ctypes.c_int,
            ctypes.c_void_p,
            wintypes.DWORD,
            ctypes.POINTER(wintypes.DWORD),
        ]
        security.ConvertSidToStringSidW.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]
        token, size, text = wintypes.HANDLE(), wintypes.DWORD(), ctypes.c_void_p()
        if not security.OpenProcessToken(kernel.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)):
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            # TOKEN_USER: a pointer to the identifier, its attributes, and the identifier.
            user = ctypes.create_string_buffer(256)
            if not security.GetTokenInformation(token, _TOKEN_USER, user, len(user), ctypes.byref(size)):
                raise ctypes.WinError(ctypes.get_last_error())
        finally:
            _winapi.CloseHandle(token.value or 0)
        if not security.ConvertSidToStringSidW(ctypes.c_void_p.from_buffer(user), ctypes.byref(text)):
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            return ctypes.wstring_at(text.value or 0)
        finally:
            _free(text)

    def _free(memory: ctypes.c_void_p) -> None:
        """What a function of Windows had allocated."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.LocalFree.argtypes = [ctypes.c_void_p]
        kernel.LocalFree(memory)
