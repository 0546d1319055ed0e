; The Windows installer of ibhxh-agent: for one user, without an administrator and without a question.
;
;   makensis -DVERSION=19.0.2.0.0 -DNUMBERS=19.0.2.0 -DFOLDER=… -DICON=… -DOUTPUT=… [-DSIGN="command"] installer.nsi
;
; /S installs or removes silently. Exit codes: 0 done; 2 not done, what was there is as it was; 3 another installer or
; uninstaller is at work; 4 a newer version is installed; 5 started as administrator.
; What it writes outside its folder: the start at login, Odoo's links, the Start menu and the entry in Apps, all of the user.

Unicode true
Target amd64-unicode
SetCompressor /SOLID lzma
SetCompressorDictSize 32
RequestExecutionLevel user
ManifestDPIAware true
ManifestSupportedOS all

!include LogicLib.nsh
!include WordFunc.nsh

!define NAME "ibhxh-agent"
!define RUN "Software\Microsoft\Windows\CurrentVersion\Run"
!define SWITCHES "Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
!define LINKS "Software\Classes\${NAME}"
!define APPS "Software\Microsoft\Windows\CurrentVersion\Uninstall\${NAME}"
!define SETTINGS "$LOCALAPPDATA\${NAME}"
; winerror.h, winbase.h, wincred.h, winnt.h
!define ERROR_ALREADY_EXISTS 183
!define WAIT_TIMEOUT 258
!define CRED_TYPE_GENERIC 1
!define PROCESS_QUERY_LIMITED_INFORMATION 0x1000
!define TOKEN_QUERY 8
!define TOKEN_ELEVATION 20
!define RUNS_ON "Chương trình đang chạy không dừng lại: hãy chọn Thoát ở biểu tượng ${NAME} cạnh đồng hồ."
!define HELD "Một chương trình khác (thường là phần mềm diệt virus) đang mở tệp, hãy chờ một lát:"

Name "${NAME} ${VERSION}"
OutFile "${OUTPUT}"
Icon "${ICON}"
UninstallIcon "${ICON}"
InstallDir "$LOCALAPPDATA\Programs\${NAME}"
BrandingText " "
AutoCloseWindow true
ShowInstDetails nevershow
ShowUninstDetails nevershow

LoadLanguageFile "${NSISDIR}\Contrib\Language files\Vietnamese.nlf"
VIProductVersion "${NUMBERS}"
VIAddVersionKey "ProductName" "${NAME}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "ibhxh-agent: ký tờ khai BHXH bằng USB token (bộ cài)"
VIAddVersionKey "CompanyName" "l10n_vn_ibhxh"
VIAddVersionKey "LegalCopyright" "LGPL-3.0-or-later"

!ifdef SIGN
  !uninstfinalize '${SIGN} "%1"' = 0
  !finalize '${SIGN} "%1"' = 0
!endif

Page instfiles
UninstPage instfiles

Var Attempt
Var Failed
Var Reason
Var Upgrade

; Until it works, or for ten seconds. A virus scanner opens what was written a moment ago, and meanwhile Windows lets
; nobody rename or delete it. Afterwards $Failed is "yes" or empty; the flag of errors says nothing then.
!macro Insist COMMAND
  ${For} $Attempt 1 40
    ClearErrors
    ${COMMAND}
    StrCpy $Failed ""
    ${IfNot} ${Errors}
      ${ExitFor}
    ${EndIf}
    StrCpy $Failed "yes"
    Sleep 250
  ${Next}
!macroend

; Gives the program an order, by whichever of its two files a virus scanner left; a damaged one must not wait for ever.
!macro Order FOLDER COMMAND
  ${If} ${FileExists} "${FOLDER}\${NAME}-cli.exe"
    nsExec::Exec /TIMEOUT=60000 '"${FOLDER}\${NAME}-cli.exe" ${COMMAND}'
  ${Else}
    nsExec::Exec /TIMEOUT=60000 '"${FOLDER}\${NAME}.exe" ${COMMAND}'
  ${EndIf}
  Pop $0
!macroend

; The program's own way to end waits for what is being delivered. Whether it ended, its locks tell: Windows does not
; delete a file that a program has open. So a program that cannot be started any more keeps nobody from mending it.
!macro StopProgram
  !insertmacro Order "$INSTDIR" stop
  !insertmacro Insist 'Delete "${SETTINGS}\program.lock"'
  ${If} $Failed == ""
    !insertmacro Insist 'Delete "${SETTINGS}\run.lock"'
  ${EndIf}
!macroend

; Two at once would delete each other's files. The system takes the mutex away with the process. One that is about to
; end is waited for: an uninstaller goes on in a copy of itself, of whose end its caller does not know.
!macro BeTheOnlyOne
  System::Call 'kernel32::CreateMutexW(p 0, i 1, w "${NAME}-installer") p .r1 ?e'
  Pop $0
  ${If} $0 = ${ERROR_ALREADY_EXISTS}
    System::Call 'kernel32::WaitForSingleObject(p r1, i 3000) i .r0'
  ${EndIf}
  ${If} $0 = ${WAIT_TIMEOUT}
    MessageBox MB_OK|MB_ICONINFORMATION "Một bộ cài hoặc trình gỡ cài đặt của ${NAME} đang chạy.$\r$\nHãy chờ nó xong rồi thử lại." /SD IDOK
    SetErrorLevel 3
    Quit
  ${EndIf}
!macroend

; Whether a process has an administrator's rights: "1" or "0", in $0; "0", too, where that must not be known.
!macro IsElevated PROCESS
  StrCpy $0 0
  System::Call 'advapi32::OpenProcessToken(p ${PROCESS}, i ${TOKEN_QUERY}, *p .r3) i .r4'
  ${If} $4 <> 0
    System::Call 'advapi32::GetTokenInformation(p r3, i ${TOKEN_ELEVATION}, *i .r0, i 4, *i .r4)'
    System::Call 'kernel32::CloseHandle(p r3)'
  ${EndIf}
!macroend

; "Run as administrator": the program would run where the person's browser, which has fewer rights, cannot reach it; with
; another person's password all of it would be in that one's account. The desktop tells whose rights are the usual ones:
; where everybody is administrator all the time, it has them, too.
!macro RefuseAdministrator
  !insertmacro IsElevated -1
  System::Call 'user32::GetShellWindow() p .r1'
  ${If} $0 = 1
  ${AndIf} $1 <> 0
    System::Call 'user32::GetWindowThreadProcessId(p r1, *i .r2)'
    System::Call 'kernel32::OpenProcess(i ${PROCESS_QUERY_LIMITED_INFORMATION}, i 0, i r2) p .r1'
    !insertmacro IsElevated r1
    System::Call 'kernel32::CloseHandle(p r1)'
    ${If} $0 = 0
      MessageBox MB_OK|MB_ICONINFORMATION "Đừng chạy bằng quyền quản trị (Run as administrator).$\r$\nHãy nhấp đúp vào tệp, trong tài khoản Windows của người sẽ ký: ${NAME} không cần quyền quản trị." /SD IDOK
      SetErrorLevel 5
      Quit
    ${EndIf}
  ${EndIf}
!macroend

Function .onInit
  !insertmacro RefuseAdministrator
  !insertmacro BeTheOnlyOne
  ; An older version may not understand the settings of a newer one. A damaged program of the same version is replaced.
  ReadRegStr $1 HKCU "${APPS}" "DisplayVersion"
  ${VersionCompare} "$1" "${VERSION}" $0
  ${If} $0 = 1
  ${AndIf} ${FileExists} "$INSTDIR\*.exe"
    MessageBox MB_OK|MB_ICONINFORMATION "Máy này đã có bản mới hơn: $1. Bộ cài này là bản ${VERSION}, nên không cài đè.$\r$\nMuốn dùng bản cũ thì hãy gỡ bản mới trong Cài đặt > Ứng dụng trước." /SD IDOK
    SetErrorLevel 4
    Quit
  ${EndIf}
FunctionEnd

Function un.onInit
  !insertmacro RefuseAdministrator
  !insertmacro BeTheOnlyOne
FunctionEnd

Section "Install"
  StrCpy $Reason "Không chép được tệp vào $INSTDIR.new: hãy kiểm tra dung lượng đĩa và phần mềm diệt virus."
  SetOutPath "$TEMP"
  ; The computer went off while the two versions changed places.
  ${If} ${FileExists} "$INSTDIR.old\*.*"
  ${AndIfNot} ${FileExists} "$INSTDIR\*.*"
    !insertmacro Insist 'Rename "$INSTDIR.old" "$INSTDIR"'
    ${If} $Failed != ""
      Goto failed
    ${EndIf}
  ${EndIf}
  ; Nothing of another version may be mixed into this one.
  !insertmacro Insist 'RMDir /r "$INSTDIR.new"'
  ${If} $Failed == ""
    !insertmacro Insist 'RMDir /r "$INSTDIR.old"'
  ${EndIf}
  ${If} $Failed != ""
    Goto failed
  ${EndIf}

  ; Beside the old version first: whatever goes wrong until then leaves that one as it is.
  ClearErrors
  SetOutPath "$INSTDIR.new"
  File /r "${FOLDER}/*.*"
  WriteUninstaller "$INSTDIR.new\uninstall.exe"
  ; Else the folder could not be renamed: it would be this program's own.
  SetOutPath "$TEMP"
  ${If} ${Errors}
    Goto failed
  ${EndIf}

  StrCpy $Upgrade ""
  ${If} ${FileExists} "$INSTDIR\${NAME}.exe"
  ${OrIf} ${FileExists} "$INSTDIR\${NAME}-cli.exe"
    StrCpy $Upgrade "yes"
  ${EndIf}
  ${If} ${FileExists} "$INSTDIR\*.*"
    StrCpy $Reason "${RUNS_ON}"
    !insertmacro StopProgram
    ${If} $Failed != ""
      Goto failed
    ${EndIf}
    StrCpy $Reason "${HELD} $INSTDIR."
    !insertmacro Insist 'Rename "$INSTDIR" "$INSTDIR.old"'
    ${If} $Failed != ""
      Goto failed
    ${EndIf}
  ${EndIf}
  StrCpy $Reason "${HELD} $INSTDIR.new."
  !insertmacro Insist 'Rename "$INSTDIR.new" "$INSTDIR"'
  ${If} $Failed != ""
    ${If} ${FileExists} "$INSTDIR.old\*.*"
      !insertmacro Insist 'Rename "$INSTDIR.old" "$INSTDIR"'
    ${EndIf}
    Goto failed
  ${EndIf}

  ; Who switched the start at login off keeps it so.
  ${If} $Upgrade == ""
    WriteRegStr HKCU "${RUN}" "${NAME}" '"$INSTDIR\${NAME}.exe" start'
  ${EndIf}
  ; "link" comes first, and takes one argument and no option: whatever a web page puts into the link stays a link.
  WriteRegStr HKCU "${LINKS}" "" "URL:${NAME}"
  WriteRegStr HKCU "${LINKS}" "URL Protocol" ""
  WriteRegStr HKCU "${LINKS}\DefaultIcon" "" '"$INSTDIR\${NAME}.exe",0'
  WriteRegStr HKCU "${LINKS}\shell\open\command" "" '"$INSTDIR\${NAME}.exe" link "%1"'
  CreateShortCut "$SMPROGRAMS\${NAME}.lnk" "$INSTDIR\${NAME}.exe"

  WriteRegStr HKCU "${APPS}" "DisplayName" "ibhxh-agent (ký tờ khai BHXH)"
  WriteRegStr HKCU "${APPS}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${APPS}" "DisplayIcon" "$INSTDIR\${NAME}.exe,0"
  WriteRegStr HKCU "${APPS}" "Publisher" "l10n_vn_ibhxh"
  WriteRegStr HKCU "${APPS}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${APPS}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${APPS}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${APPS}" "EstimatedSize" ${KILOBYTES}
  WriteRegDWORD HKCU "${APPS}" "NoModify" 1
  WriteRegDWORD HKCU "${APPS}" "NoRepair" 1

  ; The window only where somebody is looking. A program that began this update itself says what became of it.
  ${If} ${Silent}
    Exec '"$INSTDIR\${NAME}.exe" start'
  ${Else}
    Exec '"$INSTDIR\${NAME}.exe" open'
  ${EndIf}
  ; What stays is in nobody's way: the next installer or the uninstaller removes it.
  !insertmacro Insist 'RMDir /r "$INSTDIR.old"'
  Goto done

failed:
  RMDir /r "$INSTDIR.new"
  ${If} ${FileExists} "$INSTDIR\${NAME}.exe"
    ; Also when the old one did not end: this is how it hears that the installer has.
    Exec '"$INSTDIR\${NAME}.exe" start'
  ${EndIf}
  MessageBox MB_OK|MB_ICONSTOP "Chưa cài được. Bản cũ (nếu có) vẫn giữ nguyên.$\r$\n$Reason$\r$\nSau đó chạy lại bộ cài." /SD IDOK
  SetErrorLevel 2
  Quit

done:
SectionEnd

Section "Uninstall"
  SetOutPath "$TEMP"
  ; Never a folder that is not this program's. One whose programs a virus scanner took is still its own.
  ReadRegStr $0 HKCU "${APPS}" "InstallLocation"
  ${If} $0 != $INSTDIR
  ${AndIfNot} ${FileExists} "$INSTDIR\${NAME}-cli.exe"
  ${AndIfNot} ${FileExists} "$INSTDIR\${NAME}.exe"
    StrCpy $Reason "Thư mục $INSTDIR không phải của ${NAME}."
    Goto failed
  ${EndIf}
  StrCpy $Reason "${RUNS_ON}"
  !insertmacro StopProgram
  ${If} $Failed != ""
    Goto failed
  ${EndIf}
  StrCpy $Reason "${HELD} $INSTDIR."
  !insertmacro Insist 'RMDir /r "$INSTDIR.new"'
  ${If} $Failed == ""
    !insertmacro Insist 'RMDir /r "$INSTDIR.old"'
  ${EndIf}
  ; Out of its place first: while a file in it is open, Windows refuses that, and all of it stays as it is.
  ${If} $Failed == ""
    !insertmacro Insist 'Rename "$INSTDIR" "$INSTDIR.old"'
  ${EndIf}
  ${If} $Failed != ""
    Goto failed
  ${EndIf}

  ; The key for Odoo in the system's store, settings, logs; then what a damaged program could not forget.
  !insertmacro Order "$INSTDIR.old" forget
  System::Call 'advapi32::CredDeleteW(w "${NAME}", i ${CRED_TYPE_GENERIC}, i 0)'
  DeleteRegValue HKCU "${RUN}" "${NAME}"
  DeleteRegValue HKCU "${SWITCHES}" "${NAME}"
  DeleteRegKey HKCU "${LINKS}"
  Delete "$SMPROGRAMS\${NAME}.lnk"
  !insertmacro Insist 'RMDir /r "${SETTINGS}"'
  ${If} $Failed == ""
    !insertmacro Insist 'RMDir /r "$INSTDIR.old"'
  ${EndIf}
  ${If} $Failed != ""
    ; The entry in Apps stays, and leads to what removes the rest.
    CreateDirectory "$INSTDIR"
    CopyFiles /SILENT "$EXEPATH" "$INSTDIR\uninstall.exe"
    StrCpy $Reason "${HELD} $INSTDIR.old / ${SETTINGS}."
    Goto failed
  ${EndIf}
  DeleteRegKey HKCU "${APPS}"
  Goto done

failed:
  ${If} ${FileExists} "$INSTDIR\${NAME}.exe"
    Exec '"$INSTDIR\${NAME}.exe" start'
  ${EndIf}
  MessageBox MB_OK|MB_ICONSTOP "Chưa gỡ xong ${NAME}.$\r$\n$Reason$\r$\nSau đó gỡ lại trong Cài đặt > Ứng dụng." /SD IDOK
  SetErrorLevel 2
  Quit

done:
SectionEnd
