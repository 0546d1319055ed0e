; The Windows installer of ibhxh-agent: for one user, without an administrator and without a question.
;
;   makensis -DVERSION=19.0.2.0.0 -DNUMBERS=19.0.2.0 -DFOLDER=… -DICON=… -DOUTPUT=… [-DSIGN="command"] installer.nsi
;
; /S installs or removes silently. Exit codes: 0 done; 2 not installed, the old version is as it was and runs again.
; What it writes outside its folder: the start at login, Odoo's links, the Start menu and the entry in Apps, all of the user.

Unicode true
Target amd64-unicode
SetCompressor /SOLID lzma
SetCompressorDictSize 32
RequestExecutionLevel user
ManifestDPIAware true
ManifestSupportedOS all

!define NAME "ibhxh-agent"
!define RUN "Software\Microsoft\Windows\CurrentVersion\Run"
!define SWITCHES "Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
!define LINKS "Software\Classes\${NAME}"
!define APPS "Software\Microsoft\Windows\CurrentVersion\Uninstall\${NAME}"

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

Var Upgrade

; The program's own way to end waits for what is being delivered. It does nothing where none runs.
!macro StopProgram
  ${If} ${FileExists} "$INSTDIR\${NAME}-cli.exe"
    nsExec::Exec '"$INSTDIR\${NAME}-cli.exe" stop'
    Pop $0
  ${EndIf}
!macroend

!include LogicLib.nsh

Section "Install"
  ; Beside the old version first: whatever goes wrong until then leaves that one as it is.
  RMDir /r "$INSTDIR.new"
  RMDir /r "$INSTDIR.old"
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
  ${If} ${FileExists} "$INSTDIR\*.*"
    StrCpy $Upgrade "yes"
    !insertmacro StopProgram
    ; A virus scanner may have a file open for a moment.
    StrCpy $1 0
    ${Do}
      ClearErrors
      Rename "$INSTDIR" "$INSTDIR.old"
      ${IfNot} ${Errors}
        ${Break}
      ${EndIf}
      IntOp $1 $1 + 1
      Sleep 500
    ${LoopUntil} $1 > 20
    ${If} ${Errors}
      Goto failed
    ${EndIf}
  ${EndIf}
  ClearErrors
  Rename "$INSTDIR.new" "$INSTDIR"
  ${If} ${Errors}
    Rename "$INSTDIR.old" "$INSTDIR"
    Goto failed
  ${EndIf}
  RMDir /r "$INSTDIR.old"

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

  ; The window only where somebody is looking; an unpaired program shows it in any case.
  ${If} ${Silent}
    Exec '"$INSTDIR\${NAME}.exe" start'
  ${Else}
    Exec '"$INSTDIR\${NAME}.exe" open'
  ${EndIf}
  Goto done

failed:
  RMDir /r "$INSTDIR.new"
  ${If} ${FileExists} "$INSTDIR\${NAME}.exe"
    Exec '"$INSTDIR\${NAME}.exe" start'
  ${EndIf}
  MessageBox MB_OK|MB_ICONSTOP "Chưa cài được. Bản cũ (nếu có) vẫn giữ nguyên.$\r$\nChọn Thoát ở biểu tượng ibhxh-agent cạnh đồng hồ, kiểm tra dung lượng đĩa, rồi chạy lại bộ cài." /SD IDOK
  SetErrorLevel 2
  Abort

done:
SectionEnd

Section "Uninstall"
  ; Never a folder that is not this program's.
  ${IfNot} ${FileExists} "$INSTDIR\${NAME}-cli.exe"
    SetErrorLevel 2
    Abort
  ${EndIf}
  !insertmacro StopProgram
  ; The key for Odoo in the system's store, settings, logs.
  nsExec::Exec '"$INSTDIR\${NAME}-cli.exe" forget'
  Pop $0
  DeleteRegValue HKCU "${RUN}" "${NAME}"
  DeleteRegValue HKCU "${SWITCHES}" "${NAME}"
  DeleteRegKey HKCU "${LINKS}"
  DeleteRegKey HKCU "${APPS}"
  Delete "$SMPROGRAMS\${NAME}.lnk"
  SetOutPath "$TEMP"
  RMDir /r "$LOCALAPPDATA\${NAME}"
  RMDir /r "$INSTDIR"
SectionEnd
