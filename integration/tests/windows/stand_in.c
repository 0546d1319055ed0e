/* In the place of the agent's two programs where the installer alone is tried: a line with its name and arguments
   into the file that IBHXH_STAND_IN names. */
#include <windows.h>
#include <stdio.h>
#include <wchar.h>

int wmain(int count, wchar_t **arguments) {
    wchar_t name[MAX_PATH];
    GetModuleFileNameW(NULL, name, MAX_PATH);
    FILE *calls = _wfopen(_wgetenv(L"IBHXH_STAND_IN"), L"a");
    fwprintf(calls, L"%ls", wcsrchr(name, L'\\') + 1);
    for (int number = 1; number < count; number++)
        fwprintf(calls, L" %ls", arguments[number]);
    fwprintf(calls, L"\n");
    return fclose(calls);
}
