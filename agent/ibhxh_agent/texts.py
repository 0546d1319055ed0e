"""Sentences for people: Vietnamese first, English on request. Each says what happened and what to do next."""

from __future__ import annotations

from ibhxh_agent.untrusted import harmless

_TEXTS: dict[str, tuple[str, str]] = {
    "pin_cancelled": (
        "Người giữ token đã không nhập PIN. Bấm ký lại khi sẵn sàng.",
        "The token's holder did not enter the PIN. Ask again when ready.",
    ),
    "pin_incorrect": (
        "Token không nhận PIN. Agent không tự thử lại. Kiểm tra PIN (Caps Lock, bộ gõ tiếng Việt) rồi yêu cầu ký lại.",
        "The token did not accept the PIN. It is not retried automatically. Check the PIN (Caps Lock, Vietnamese input "
        "method), then request the signature again.",
    ),
    "pin_rejected_before": (
        "PIN đưa lúc khởi động đã bị token từ chối nên không dùng lại. Khởi động lại agent với PIN đúng.",
        "The PIN given at the start was rejected by the token and is not used again. Restart the agent with the "
        "right PIN.",
    ),
    "pin_locked": (
        "Token đã bị khóa PIN. Liên hệ nhà cung cấp chữ ký số (CA) để mở khóa.",
        "The token's PIN is locked. Ask the certificate provider (CA) to unlock it.",
    ),
    "final_try": (
        "CẢNH BÁO: chỉ còn MỘT lần nhập PIN. Nhập sai lần này token sẽ bị khóa.",
        "WARNING: one PIN attempt is left. A wrong PIN now locks the token.",
    ),
    "count_low": (
        "Lần đăng nhập trước vào token đã sai PIN. Hãy nhập cẩn thận.",
        "The last login on this token used a wrong PIN. Enter it carefully.",
    ),
    "failed_before": (
        "{count} lần đăng nhập gần nhất vào token này bị từ chối. Nếu không chắc chắn PIN, hãy dừng lại và hỏi "
        "nhà cung cấp.",
        "The last {count} logins on this token were refused. If you are not sure of the PIN, stop and ask the "
        "provider.",
    ),
    "token_removed": (
        "Token đã được rút ra. Cắm lại token rồi yêu cầu ký lại.",
        "The token was removed. Plug it in, then request the signature again.",
    ),
    "certificate_missing": (
        "Không có token nào đang cắm chứa chứng thư số đã chọn cùng khóa của nó.",
        "No token that is plugged in holds the chosen certificate and its key.",
    ),
    "unsupported": (
        "Token hoặc khóa này không ký được RSA-SHA256; agent chỉ hỗ trợ khóa RSA.",
        "This token or key cannot make RSA-SHA256 signatures; only RSA keys are supported.",
    ),
    "login_general_error": (
        "Token báo lỗi khi đăng nhập ({detail}). Có thể PIN sai và lần nhập này đã bị tính; agent không thử lại.",
        "The token reported an error at login ({detail}). The PIN may be wrong and the attempt may count; it is "
        "not repeated.",
    ),
    "pin_not_set": (
        "PIN của token chưa được đặt nên chưa ký được. Đặt PIN bằng phần mềm quản lý token của nhà cung cấp (CA).",
        "The token's PIN has not been set, so it cannot sign. Set it with the provider's (CA) token manager.",
    ),
    "pin_to_change": (
        "PIN của token đã hết hạn hoặc phải đổi trước khi ký. Đổi bằng phần mềm quản lý token của nhà cung cấp (CA).",
        "The token's PIN has expired or must be changed first. Change it with the provider's (CA) token manager.",
    ),
    "key_not_for_signing": (
        "Khóa của chứng thư này trên token không dùng để ký. Chọn chứng thư khác, hoặc hỏi nhà cung cấp (CA).",
        "This certificate's key on the token is not meant for signatures. Choose another certificate, or ask the "
        "provider (CA).",
    ),
    "key_missing": (
        "Token {label} có chứng thư số đã chọn nhưng không có khóa của nó. Cắm token có khóa rồi yêu cầu ký lại.",
        "The token {label} holds the chosen certificate but not its key. Plug in the token with the key, then request "
        "the signature again.",
    ),
    "driver_died": (
        "Thư viện của token bị dừng đột ngột ({library}). Rút token ra cắm lại; nếu còn lỗi, cài lại trình điều khiển.",
        "The token's library crashed ({library}). Plug the token in again; if the problem persists, reinstall the "
        "driver.",
    ),
    "driver_timeout": (
        "Thư viện của token không trả lời ({library}). Rút token ra cắm lại; nếu còn lỗi, cài lại trình điều khiển.",
        "The token's library does not answer ({library}). Plug the token in again; if the problem persists, "
        "reinstall its driver.",
    ),
    "driver_garbage": (
        "Thư viện của token trả lời sai ({library}). Cài lại trình điều khiển của nhà cung cấp.",
        "The token's library gave a wrong answer ({library}). Reinstall the vendor's driver.",
    ),
    "driver_load": (
        "Không nạp được thư viện của token {library} ({detail}). Cài lại trình điều khiển của nhà cung cấp, đúng loại "
        "32 hay 64-bit như agent.",
        "The token's library {library} cannot be loaded ({detail}). Reinstall the vendor's driver, of the same "
        "bitness (32 or 64) as this agent.",
    ),
    "detail_not_a_file": ("không phải tệp", "not a file"),
    "driver_call": (
        "Thư viện của token báo lỗi ({library}). Rút token ra cắm lại rồi thử lại.",
        "The token's library reported an error ({library}). Plug the token in again and retry.",
    ),
    "bad_signature": (
        "Token trả về chữ ký không đúng với chứng thư. Cài lại trình điều khiển của nhà cung cấp.",
        "The token returned a signature that does not match the certificate. Reinstall the vendor's driver.",
    ),
    "token_busy": (
        "Một chương trình khác đang đăng nhập token này. Đóng chương trình đó rồi yêu cầu ký lại.",
        "Another program is logging in on this token. Close it, then request the signature again.",
    ),
    "document_too_large": ("Tài liệu quá lớn nên bị từ chối ký.", "The document is too large; not signed."),
    "document_malformed": (
        "Tài liệu không phải XML hợp lệ (UTF-8, không DTD, không chú thích) nên bị từ chối ký.",
        "The document is not acceptable XML (UTF-8, no DTD, no comments); not signed.",
    ),
    "document_unknown": (
        "Tài liệu không phải là tờ khai BHXH đã biết (04, 05, 06) nên bị từ chối ký. Kiểm tra phiên bản của agent.",
        "The document is not one of the known BHXH forms (04, 05, 06); not signed. Check the agent's version.",
    ),
    "document_attachment": (
        "Tờ khai có tệp đính kèm mà agent không hiện ra được nên bị từ chối ký.",
        "The form has an attachment, which cannot be shown here; not signed.",
    ),
    "document_hidden": (
        "Tờ khai có nội dung ngoài các ô được hiện ra nên bị từ chối ký. Kiểm tra phiên bản của agent và của Odoo.",
        "The form has content besides the fields that are shown; not signed. Check the versions of agent and Odoo.",
    ),
    "field_empty": ("{field}: để trống; từ chối ký.", "{field}: empty; not signed."),
    "field_long": (
        "{field}: dài hơn {longest} ký tự nên không hiện đủ được; từ chối ký. Rút ngắn trong Odoo.",
        "{field}: longer than {longest} characters, too long to be shown; not signed. Shorten it in Odoo.",
    ),
    "field_character": (
        "{field}: có ký tự {character} không được chấp nhận (ký tự ẩn, hoặc trông giống chữ khác); từ chối ký. "
        "Gõ lại ô này trong Odoo.",
        "{field}: the character {character} is not accepted (invisible, or looks like another one); not signed. "
        "Type this field again in Odoo.",
    ),
    "field_blanks": (
        "{field}: có khoảng trắng thừa; từ chối ký. Gõ lại ô này trong Odoo.",
        "{field}: invisible blanks; not signed. Type this field again in Odoo.",
    ),
    "field_form": (
        "{field}: “{value}” không đúng dạng; từ chối ký.",
        "{field}: “{value}” does not have the expected format; not signed.",
    ),
    "field_TenCoQuan": ("Cơ quan BHXH", "BHXH agency"),
    "field_MaCoQuan": ("Mã cơ quan BHXH", "Agency code"),
    "field_LoaiDoiTuong": ("Loại đối tượng", "Kind of unit"),
    "field_TenDoiTuong": ("Đơn vị", "Unit"),
    "field_MaSoThue": ("Mã số thuế", "Tax code"),
    "field_DienThoai": ("Điện thoại", "Phone"),
    "field_Email": ("Email", "E-mail"),
    "field_NguoiLienHe": ("Người liên hệ", "Contact person"),
    "field_DiaChi": ("Địa chỉ", "Address"),
    "field_DiaChiLienHe": ("Địa chỉ liên hệ", "Contact address"),
    "field_DienThoaiLienHe": ("Điện thoại liên hệ", "Contact phone"),
    "field_NgayLap": ("Ngày lập", "Prepared on"),
    "field_NgayDangKy": ("Ngày đăng ký", "Registered on"),
    "field_MaIVan": ("Mã tổ chức I-VAN", "I-VAN code"),
    "field_TenIVan": ("Tổ chức I-VAN", "I-VAN"),
    "field_PTNhanKetQua": ("Cách nhận kết quả", "Delivery of the result"),
    "field_SoChungThuCu": ("Số chứng thư cũ", "Old certificate's serial"),
    "field_SoChungThuMoi": ("Số chứng thư mới", "New certificate's serial"),
    "field_NhaCungCapMoi": ("Nhà cung cấp mới", "New provider"),
    "field_HieuLucTu": ("Hiệu lực từ", "Valid from"),
    "field_HieuLucDen": ("Hiệu lực đến", "Valid until"),
    "field_NoiDungThayDoi": ("Nội dung thay đổi", "What changes"),
    "field_NgayNgung": ("Ngày ngừng", "Stops on"),
    "field_MaLyDo": ("Mã lý do", "Reason code"),
    "field_LyDo": ("Lý do", "Reason"),
    "note_LoaiDoiTuong_0": ("cá nhân", "individual"),
    "note_LoaiDoiTuong_1": ("tổ chức", "organisation"),
    "note_PTNhanKetQua_0": ("tại cơ quan BHXH", "at the agency"),
    "note_PTNhanKetQua_1": ("qua bưu điện", "by post"),
    "company_not_in_certificate": (
        "Tên đơn vị trong tờ khai ({company}) không có trong tên trên chứng thư số ({name}).",
        "The unit's name in the form ({company}) is not in the certificate's name ({name}).",
    ),
    "certificate_not_valid": (
        "Chứng thư số đã hết hạn hoặc chưa có hiệu lực nên không ký. Kiểm tra ngày giờ của máy hoặc gia hạn.",
        "The certificate has expired or is not valid yet; not signed. Check this computer's clock, or renew it.",
    ),
    "pin_of_other_token": (
        "PIN đưa lúc khởi động agent là của token khác. Quản trị viên khởi động lại agent với tên token của PIN đó "
        "(--token).",
        "The PIN given at the agent's start is for another token. An administrator restarts the agent with the name of "
        "the PIN's token (--token).",
    ),
    "ask_part": (
        "Phần {part}/{parts}: các tờ khai khác nhau về mẫu, email, I-VAN hay lý do được hỏi riêng.",
        "Part {part} of {parts}: forms that differ in kind, e-mail, I-VAN or reason are asked for separately.",
    ),
    "ask_same": ("{count} tờ khai, giống nhau ở các ô sau:", "{count} forms, which share these fields:"),
    "ask_each": ("Phần riêng của từng tờ khai:", "What differs in each form:"),
    "ask_number": ("Tờ khai {number}/{count}", "Form {number} of {count}"),
    "ask_identical": ("Không có gì khác nhau.", "Nothing differs."),
    "ask_more": (
        "— Trang {page}/{pages}. Enter = xem tiếp —",
        "— Page {page} of {pages}. Enter = next page —",
    ),
    "ask_more_skip": (
        "— Trang {page}/{pages}. Enter = xem tiếp, b = bỏ qua phần còn lại —",
        "— Page {page} of {pages}. Enter = next page, b = skip the rest —",
    ),
    "ask_decision": (
        "k = ký, t = từ chối, Enter = để sau:",
        "s = sign, r = refuse, Enter = later:",
    ),
    "ask_pin": ("PIN của token (để trống = để sau):", "Token PIN (empty = later):"),
    "ask_on_reader": ("Nhập PIN trên bàn phím của đầu đọc.", "Type the PIN on the reader."),
    "window_pin": ("&Mã PIN của token:", "Token &PIN:"),
    "window_pin_pad": (
        "Bấm Ký, rồi nhập PIN trên bàn phím của đầu đọc.",
        "Press Sign, then type the PIN on the reader.",
    ),
    "window_scroll": (
        "Cuộn xuống xem hết nội dung trước khi ký.",
        "Scroll down to the end before you sign.",
    ),
    "window_select": (
        "Phần riêng của từng tờ khai; chọn một dòng để xem đủ bên dưới:",
        "What differs in each form; select a line to see all of it below:",
    ),
    "label_form": ("Tờ khai", "Form"),
    "document_signed": (
        "Tài liệu đã có chữ ký nên bị từ chối ký.",
        "The document is already signed; not signed again.",
    ),
    "document_hash": (
        "Tài liệu nhận được không khớp mã băm nên bị từ chối ký.",
        "The document does not match its hash; not signed.",
    ),
    "document_form": (
        "Máy chủ nói mẫu {expected} nhưng tài liệu là mẫu {found}; từ chối ký.",
        "The server says form {expected} but the document is form {found}; not signed.",
    ),
    "other_tax_code": (
        "Mã số thuế trong tờ khai là {document}, của chứng thư là {certificate}: từ chối ký.",
        "The form's tax code is {document}, the certificate's is {certificate}: not signed.",
    ),
    "refused": ("Người giữ token đã từ chối ký.", "The token's holder refused to sign."),
    "stopped": (
        "Người giữ token đã dừng lô ký trước tài liệu này.",
        "The token's holder stopped the batch before this document.",
    ),
    "bad_descriptor": (
        "Không đọc được PIN từ file descriptor đã cho.",
        "The PIN cannot be read from the given file descriptor.",
    ),
    "no_prompt": (
        "Không có màn hình hay cửa sổ lệnh để hỏi PIN. Chạy agent trong phiên đăng nhập, hoặc dùng --pin-fd.",
        "There is no display or terminal to ask for the PIN. Run the agent in a login session, or use --pin-fd.",
    ),
    "already_running": (
        "Agent đang chạy rồi với cấu hình này.",
        "An agent with these settings is already running.",
    ),
    "doctor_version": ("ibhxh-agent {version}", "ibhxh-agent {version}"),
    "doctor_not_pkcs11": (
        "{library}: không phải thư viện PKCS#11 (không có C_GetFunctionList).",
        "{library}: not a PKCS#11 library (no C_GetFunctionList).",
    ),
    "doctor_no_file": (
        "{library}: không có tệp này. Kiểm tra đường dẫn.",
        "{library}: no such file. Check the path.",
    ),
    "doctor_unreadable": (
        "Token {label} ở khe {slot} ({library}): có phần không đọc được ({detail}); phần còn lại vẫn dùng được. Rút "
        "token đó ra cắm lại; nếu còn lỗi, hỏi nhà cung cấp (CA).",
        "Token {label} in slot {slot} ({library}): a part of it cannot be read ({detail}); all else is used. Plug that "
        "token in again; if the problem persists, ask the provider (CA).",
    ),
    "doctor_machine": (
        "{library}: trình điều khiển {machine}; chương trình này là {ours} và không kèm phần cho loại đó. Cài bản "
        "{ours} của nhà cung cấp (CA).",
        "{library}: a driver for {machine}; this program is for {ours} and has no part for the other kind with it. "
        "Install the provider's {ours} driver.",
    ),
    "doctor_no_library_here": (
        "Chỉ thấy trình điều khiển token không dùng được với chương trình này (xem trên). Hỏi nhà cung cấp (CA) bản "
        "64-bit.",
        "Only drivers that this program cannot use were found (see above). Ask the provider (CA) for the 64-bit one.",
    ),
    "doctor_remote_session": (
        "Đang dùng qua Remote Desktop: token cắm ở máy này không hiện trong phiên từ xa. Ngồi tại máy, hoặc cắm token "
        "ở máy đang mở Remote Desktop.",
        "This is a Remote Desktop session: a token in this computer is not seen in it. Work at the computer itself, or "
        "plug the token into the one that you sit at.",
    ),
    "doctor_session_zero": (
        "Chương trình đang chạy như một dịch vụ (session 0) nên không thấy token. Chạy nó trong phiên đăng nhập.",
        "The program runs as a service (session 0) and sees no token. Start it in the person's own session.",
    ),
    "doctor_automatic_proxy": (
        "Windows dùng tệp cấu hình proxy tự động (PAC); chương trình này không đọc được. Đặt proxy thủ công, hoặc cho "
        "phép kết nối thẳng đến Odoo.",
        "Windows uses a proxy configuration script (PAC), which this program does not read. Enter the proxy by hand, "
        "or let this computer reach Odoo directly.",
    ),
    "doctor_autostart_off": (
        "Tự chạy khi đăng nhập đã bị tắt trong Task Manager > Startup. Bật lại mục ibhxh-agent ở đó.",
        "Starting at login is switched off in Task Manager > Startup. Switch ibhxh-agent on again there.",
    ),
    "doctor_autostart_missing": (
        "Mục tự chạy khi đăng nhập trỏ đến tệp không còn. Cài lại chương trình.",
        "The entry that starts this program at login names a file that is gone. Install the program again.",
    ),
    "doctor_no_library": (
        "Không tìm thấy thư viện PKCS#11. Cài trình điều khiển token của nhà cung cấp (CA); nếu đã cài, gửi báo cáo "
        "này cho người hỗ trợ.",
        "No PKCS#11 library was found. Install the token's driver from the provider (CA); if it is installed, send "
        "this report to your support.",
    ),
    "doctor_library": ("Thư viện {library} ({origin})", "Library {library} ({origin})"),
    "doctor_no_token": (
        "Không thấy token nào. Cắm USB token; nếu đã cắm, thử cổng khác hoặc cài lại trình điều khiển.",
        "No token is seen. Plug it in; if it is plugged in, try another port or reinstall the driver.",
    ),
    "doctor_token": ("Token {label} (số {serial}, {model})", "Token {label} (serial {serial}, {model})"),
    "doctor_token_count_low": (
        "Token {label} (số {serial}): lần đăng nhập trước sai PIN. Nhập cẩn thận.",
        "Token {label} (serial {serial}): the last login used a wrong PIN. Enter it carefully.",
    ),
    "doctor_token_final_try": (
        "Token {label} (số {serial}): chỉ còn MỘT lần nhập PIN. Không chắc PIN thì hỏi nhà cung cấp trước.",
        "Token {label} (serial {serial}): ONE PIN attempt is left. If you are not sure, ask the provider first.",
    ),
    "doctor_token_locked": (
        "Token {label} (số {serial}): PIN ĐÃ BỊ KHÓA. Liên hệ nhà cung cấp chữ ký số (CA) để mở khóa.",
        "Token {label} (serial {serial}): the PIN IS LOCKED. Ask the certificate provider (CA) to unlock it.",
    ),
    "doctor_token_not_initialized": (
        "Token {label} (số {serial}): PIN chưa được đặt. Đặt PIN bằng phần mềm quản lý token của nhà cung cấp (CA).",
        "Token {label} (serial {serial}): its PIN has not been set. Set it with the provider's (CA) token manager.",
    ),
    "doctor_token_to_be_changed": (
        "Token {label} (số {serial}): phải đổi PIN trước khi ký, bằng phần mềm quản lý token của nhà cung cấp (CA).",
        "Token {label} (serial {serial}): its PIN must be changed first. Change it with the provider's (CA) token "
        "manager.",
    ),
    "doctor_certificate_hidden": (
        "Token {label}: không có chứng thư số nào hiện ra; có thể chúng chỉ hiện sau khi nhập PIN, mà agent không nhập "
        "PIN chỉ để xem. Nhờ nhà cung cấp (CA) ghi chứng thư vào phần công khai của token.",
        "Token {label}: no certificate is seen. They may show only after the PIN was entered, and the agent does not "
        "log in just to look. Ask the provider (CA) to store the certificate as a public object.",
    ),
    "doctor_certificates_left_out": (
        "Nhiều hơn {most} chứng thư: {count} chứng thư không được báo cho Odoo, trước hết là những cái không ký được. "
        "Rút bớt token.",
        "More than {most} certificates: {count} are not reported to Odoo, those that cannot sign first. Unplug some "
        "tokens.",
    ),
    "doctor_no_certificate": (
        "Token {label}: không có chứng thư số nào mang mã số thuế (MST).",
        "Token {label}: no certificate with a tax code (MST).",
    ),
    "doctor_certificate": (
        "Chứng thư {name}, MST {tax_code}, hiệu lực đến {until}",
        "Certificate {name}, tax code {tax_code}, valid until {until}",
    ),
    "doctor_certificate_soon": (
        "Chứng thư {name}, MST {tax_code} sắp hết hạn ({until}). Gia hạn, rồi nộp tờ khai 05 trong Odoo.",
        "Certificate {name}, tax code {tax_code} expires soon ({until}). Renew it, then file form 05 in Odoo.",
    ),
    "doctor_certificate_expired": (
        "Chứng thư {name}, MST {tax_code} hết hạn hoặc chưa có hiệu lực ({until}). Kiểm tra đồng hồ hoặc gia hạn.",
        "Certificate {name}, tax code {tax_code} has expired or is not valid yet ({until}). Check the clock or "
        "renew it.",
    ),
    "doctor_certificate_replaced": (
        "Chứng thư {name}, MST {tax_code}, hiệu lực đến {until}; đã có chứng thư khác còn hiệu lực lâu hơn.",
        "Certificate {name}, tax code {tax_code}, valid until {until}; another one is valid for longer.",
    ),
    "doctor_certificate_other": (
        "Chứng thư {name}, MST {tax_code} (đến {until}) hiện không có hiệu lực; đã có chứng thư khác để ký.",
        "Certificate {name}, tax code {tax_code} (until {until}) is not valid now; another one can sign.",
    ),
    "doctor_unused": (
        "{library}: không dùng; token đã hiện qua thư viện khác.",
        "{library}: not used; the token is seen through another library.",
    ),
    "doctor_certificate_unsupported": (
        "Chứng thư {name}, MST {tax_code}: khóa không phải RSA nên agent không ký được.",
        "Certificate {name}, tax code {tax_code}: the key is not RSA, the agent cannot sign with it.",
    ),
    "doctor_prompt": ("Cách hỏi PIN: {kind}", "PIN is asked by: {kind}"),
    "doctor_key": ("Khóa kết nối được giữ trong {place}", "The connection key is kept in {place}"),
    "doctor_no_key": (
        "Không thấy khóa kết nối trong {place}. Ghép lại máy này với Odoo.",
        "No connection key in {place}. Pair this computer with Odoo again.",
    ),
    "doctor_server": ("Máy chủ {server} trả lời, người dùng {user}", "Server {server} answers, user {user}"),
    "doctor_clock": (
        "Đồng hồ khớp máy chủ (lệch {seconds} giây)",
        "The clock agrees with the server ({seconds} s off)",
    ),
    "doctor_running": ("Agent đang chạy", "The agent is running"),
    "doctor_not_running": (
        "Agent không chạy nên chưa ký được. Thoát ibhxh-agent ở biểu tượng cạnh đồng hồ (nếu có) rồi mở lại.",
        "The agent is not running, so nothing can be signed. Quit ibhxh-agent at the icon beside the clock, if it is "
        "there, then open it again.",
    ),
    "status_paired": (
        "Ghép với {server} ({user}), máy {name}, khóa đến {expires_at}",
        "Paired with {server} ({user}) as {name}, key until {expires_at}",
    ),
    "status_running": ("Đang chạy", "Running"),
    "status_stopped": ("Không chạy", "Not running"),
    "status_online": (
        "Kết nối tốt lúc {at}; {certificates} chứng thư; chuông báo {doorbell}",
        "Connected at {at}; {certificates} certificates; doorbell {doorbell}",
    ),
    "status_offline": ("Mất kết nối lúc {at}: {message}", "Not connected at {at}: {message}"),
    "on": ("bật", "on"),
    "off": ("tắt", "off"),
    "installed": (
        "Từ lần đăng nhập sau agent sẽ tự chạy ({place}). Chạy ngay bây giờ: ibhxh-agent run",
        "From the next login the agent starts automatically ({place}). To start it now: ibhxh-agent run",
    ),
    "uninstalled": ("Agent không còn tự chạy khi đăng nhập.", "The agent no longer starts at login."),
    "install_failed": (
        "Không đặt được chế độ tự chạy: {detail}",
        "Starting at login could not be set up: {detail}",
    ),
    "tray_quit": ("Thoát", "Quit"),
    "tray_online": ("Đã kết nối, {certificates} chứng thư", "Connected, {certificates} certificates"),
    "internal_error": (
        "Agent gặp lỗi khi ký. Xem nhật ký của agent rồi yêu cầu ký lại.",
        "The agent failed while signing. See its log, then request the signature again.",
    ),
    "unexpected": (
        "Agent gặp lỗi không lường trước ({detail}) và sẽ tự thử lại. Nếu vẫn lỗi, gửi tệp agent.log cho người hỗ trợ.",
        "Unexpected error ({detail}); the agent will try again. If it persists, send agent.log to your support.",
    ),
    "bad_settings": (
        "Không đọc được cấu hình đã lưu ({path}). Ghép lại máy này với Odoo; tệp đó được giữ lại với đuôi .bad.",
        "The settings in {path} cannot be read. Pair this computer with Odoo again; that file is kept, as .bad.",
    ),
    "not_paired": (
        "Máy này chưa được ghép với Odoo. Trong Odoo, mở iBHXH > Token > Máy tính của tôi, bấm Ghép máy tính, rồi bấm "
        "Ghép máy này.",
        "This computer is not paired with Odoo. In Odoo, open iBHXH > Tokens > My computers, press Pair a computer, "
        "then Pair this computer.",
    ),
    "bad_server": (
        "Địa chỉ máy chủ không đúng; ví dụ: https://congty.example.com",
        "The server's address is wrong; for example: https://company.example.com",
    ),
    "plain_http": (
        "Từ chối HTTP không mã hóa: dùng https:// (http:// chỉ dành cho chính máy này).",
        "Plain HTTP is refused: use https:// (http:// is for this computer only).",
    ),
    "tls": (
        "Chứng chỉ TLS của {server} không được máy này tin cậy. Kiểm tra ngày giờ của máy và CA của công ty.",
        "This computer does not trust the TLS certificate of {server}. Check the clock and your company's CA.",
    ),
    "unreachable": (
        "Không kết nối được {server}. Kiểm tra mạng, proxy và địa chỉ; agent sẽ tự thử lại.",
        "{server} cannot be reached. Check network, proxy and address; the agent will try again automatically.",
    ),
    "not_protocol": (
        "Máy chủ trả lời không đúng giao thức (HTTP {status}). Kiểm tra địa chỉ, tên cơ sở dữ liệu và ứng dụng iBHXH.",
        "The server's answer does not follow the protocol (HTTP {status}). Check address, database name and "
        "the iBHXH app.",
    ),
    "pair_database": (
        "{server} không trả lời đúng giao thức. Máy chủ có nhiều cơ sở dữ liệu thì phải nhập cả tên cơ sở dữ liệu, ghi "
        "trong hộp thoại Ghép máy tính của Odoo. Nếu không, kiểm tra địa chỉ và ứng dụng iBHXH.",
        "{server} does not answer as expected. A server with several databases needs the database's name, too, which "
        "stands in Odoo's dialog Pair a computer. Otherwise check the address and the iBHXH app.",
    ),
    "too_large": (
        "Máy chủ từ chối vì nội dung gửi quá lớn.",
        "The server refused the message because it is too large.",
    ),
    "ask_title": ("Yêu cầu ký điện tử", "Request for a signature"),
    "ask_headline": (
        "Odoo yêu cầu ký tờ khai BHXH bằng token của bạn",
        "Odoo asks for a signature on a BHXH form with your token",
    ),
    "window_sign": ("&Ký", "&Sign"),
    "window_refuse": ("&Từ chối", "&Refuse"),
    "window_later": ("Để &sau", "&Later"),
    "window_stop": ("&Dừng", "S&top"),
    "window_close": ("Đón&g", "&Close"),
    "window_signing": ("Đang ký…", "Signing…"),
    "window_progress": ("Đã ký {done}/{total}", "Signed {done}/{total}"),
    "label_issuer": ("Nhà cung cấp, số serial", "Issuer, serial"),
    "label_server": ("Máy chủ", "Server"),
    "label_certificate": ("Chứng thư số", "Certificate"),
    "label_validity": ("Hiệu lực", "Validity"),
    "label_token": ("Token", "Token"),
    "label_requested_by": ("Người yêu cầu (theo máy chủ)", "Requested by (according to the server)"),
    "result": ("Đã ký {signed}, không ký {failed}.", "Signed {signed}, not signed {failed}."),
    "paired": (
        "Đã ghép với {server}, cơ sở dữ liệu {database}, cho {user}. Khóa có hạn đến {expires_at}. "
        "Chạy tiếp: ibhxh-agent run",
        "Paired with {server}, database {database}, for {user}. The key is valid until {expires_at}. "
        "Next: ibhxh-agent run",
    ),
    "cli_pair": ("Ghép từ cửa sổ lệnh: ibhxh-agent pair", "To pair from the command line: ibhxh-agent pair"),
    "cli_database": ("Trong cửa sổ lệnh: --database TÊN", "On the command line: --database NAME"),
    "ask_code": ("Mã ghép máy trong Odoo (XXXX-XXXX):", "Pairing code from Odoo (XXXX-XXXX):"),
    "stopped_final": (
        "Máy chủ không còn nhận máy này ({message}). Agent đã dừng. Mở ibhxh-agent rồi chọn Ghép lại.",
        "The server no longer accepts this computer ({message}). The agent has stopped. Open ibhxh-agent and choose "
        "Pair again.",
    ),
    "clock_skew": (
        "Đồng hồ máy này lệch {seconds} giây so với máy chủ. Hãy chỉnh lại ngày giờ.",
        "This computer's clock is {seconds} seconds off the server's. Please correct it.",
    ),
    "outdated": (
        "Agent này đã cũ; máy chủ cần phiên bản từ {minimum}. Hãy nâng cấp.",
        "This agent is outdated; the server needs version {minimum} or later. Please upgrade.",
    ),
    "release_refused": (
        "Thông tin phiên bản không có chữ ký đúng của nhà phát triển nên không được dùng.",
        "The release information is not correctly signed by the developers of this program and is not used.",
    ),
    "no_update": ("Không có bản cập nhật nào để cài.", "There is no update to install."),
    "update_damaged": (
        "Bản cập nhật tải về khác với bản nhà phát triển đã ký nên không được cài. Thử lại; nếu vẫn vậy, báo cho "
        "quản trị viên Odoo.",
        "The update that was downloaded differs from the one that the developers signed and is not installed. Try "
        "again; if the problem persists, inform your Odoo administrator.",
    ),
    "window_show_pin": ("&Hiện mã PIN", "S&how the PIN"),
    "window_caps_lock": ("Caps Lock đang bật.", "Caps Lock is on."),
    "window_input_method": (
        "Bộ gõ tiếng Việt đã đổi chữ bạn gõ, nên chưa gửi PIN cho token. Tắt bộ gõ (chuyển sang E) rồi nhập lại, "
        "hoặc bấm "
        "Hiện mã PIN để tự kiểm tra.",
        "A Vietnamese input method changed what you typed, so no PIN was sent to the token. Switch it off and type "
        "again, "
        "or show the PIN and check it yourself.",
    ),
    "toast": (
        "{count} tờ khai chờ ký. Bấm vào đây để xem và ký.",
        "Forms that wait to be signed: {count}. Click to see them.",
    ),
    "toast_update": (
        "Có phiên bản mới {version}. Bấm vào đây để xem và cài.",
        "Version {version} is available. Click to see and install it.",
    ),
    "tray_update": ("Cài bản mới {version}…", "Install version {version}…"),
    "tray_no_token": (
        "Đã kết nối, nhưng chưa có token nào ký được. Cắm token, hoặc bấm Kiểm tra.",
        "Connected, but no token can sign. Plug one in, or press Check.",
    ),
    "update_done": ("✔ Đã cập nhật lên phiên bản {ours}.", "✔ Updated to version {ours}."),
    "update_failed": (
        "Chưa cài được phiên bản {version}; chương trình vẫn là bản {ours} và vẫn ký được. Đóng các cửa sổ của "
        "ibhxh-agent, chờ phần mềm diệt virus quét xong rồi bấm Cài ngay lần nữa; nếu vẫn vậy, báo cho quản trị viên "
        "Odoo.",
        "Version {version} could not be installed; the program is still version {ours} and still signs. Close the "
        "windows of ibhxh-agent, wait until the virus scanner is done, then press Update now once more; if the problem "
        "persists, inform your Odoo administrator.",
    ),
    "tray_open": ("Mở ibhxh-agent", "Open ibhxh-agent"),
    "tray_check": ("Kiểm tra", "Check"),
    "tray_logs": ("Mở nhật ký", "Open the log"),
    "tray_pair": ("Ghép lại…", "Pair again…"),
    "program_starting": ("Đang kết nối…", "Connecting…"),
    "program_unpaired": ("Máy này chưa ghép với Odoo.", "This computer is not paired with Odoo yet."),
    "program_crash": (
        "Agent dừng đột ngột và đang được khởi động lại.",
        "The agent stopped unexpectedly and is being restarted.",
    ),
    "program_many_crashes": (
        "Agent dừng đột ngột nhiều lần. Bấm Kiểm tra, hoặc gửi nhật ký cho người hỗ trợ.",
        "The agent keeps stopping unexpectedly. Press Check, or send the log to your support.",
    ),
    "still_running": (
        "Chương trình chưa dừng. Chọn Thoát ở biểu tượng cạnh đồng hồ rồi thử lại.",
        "The program has not ended. Choose Quit at the icon beside the clock, then try again.",
    ),
    "bad_link": (
        "Liên kết ghép máy này không hợp lệ nên không được dùng. Mở lại Ghép máy tính trong Odoo rồi bấm Ghép máy này.",
        "This pairing link is not valid and was not used. Open Pair a computer in Odoo again, then press Pair this "
        "computer.",
    ),
    "panel_title": ("ibhxh-agent: ký tờ khai BHXH bằng USB token", "ibhxh-agent: signs BHXH forms with your USB token"),
    "panel_failed": (
        "Cửa sổ này gặp lỗi không lường trước. Đóng rồi mở lại; nếu vẫn lỗi, gửi tệp {log} cho người hỗ trợ.",
        "Unexpected error in this window. Close it and open it again; if the problem persists, send {log} to your "
        "support.",
    ),
    "panel_ended": (
        "Cửa sổ của ibhxh-agent đóng đột ngột. Mở lại; nếu vẫn lỗi, gửi tệp {log} cho người hỗ trợ.",
        "The window of ibhxh-agent closed unexpectedly. Open it again; if the problem persists, send {log} to your "
        "support.",
    ),
    "panel_version": ("Phiên bản", "Version"),
    "panel_user": ("Người dùng Odoo", "Odoo user"),
    "panel_computer": ("Máy này", "This computer"),
    "panel_computer_name": ("Tên máy hiện trong Odoo", "Name shown in Odoo"),
    "panel_key_until": ("Kết nối có hiệu lực đến", "Connection valid until"),
    "panel_check": ("&Kiểm tra", "C&heck"),
    "panel_copy": ("Chép &báo cáo", "C&opy report"),
    "panel_logs": ("&Nhật ký", "&Log"),
    "panel_pair": ("Ghé&p máy…", "&Pair…"),
    "panel_pair_again": ("Ghé&p lại…", "&Pair again…"),
    "panel_language": ("&English", "&Tiếng Việt"),
    "panel_update": ("Có phiên bản mới {version}.", "Version {version} is available."),
    "panel_update_do": ("&Cài ngay", "&Update now"),
    "panel_update_fetching": ("Đang tải bản cập nhật: {percent} %", "Fetching the update: {percent} %"),
    "panel_update_started": (
        "Đang cài bản cập nhật. Cửa sổ này sẽ đóng rồi mở lại trong ít phút, và báo kết quả.",
        "The update is being installed. This window closes, opens again within minutes, and says how it went.",
    ),
    "pair_title": ("Ghép máy này với Odoo", "Pair this computer with Odoo"),
    "pair_how": (
        "Trong Odoo, mở iBHXH > Token > Máy tính của tôi, bấm Ghép máy tính, rồi bấm Ghép máy này. Nếu Odoo mở trên "
        "máy "
        "khác, nhập địa chỉ và mã ghép máy vào đây.",
        "In Odoo, open iBHXH > Tokens > My computers, press Pair a computer, then Pair this computer. If Odoo is "
        "open on "
        "another computer, enter its address and the pairing code here.",
    ),
    "pair_server": ("Địa chỉ Odoo (https://…)", "Address of Odoo (https://…)"),
    "pair_code": ("Mã ghép máy (XXXX-XXXX)", "Pairing code (XXXX-XXXX)"),
    "pair_database_name": ("Cơ sở dữ liệu (nếu có nhiều)", "Database (if there are several)"),
    "pair_do": ("&Ghép", "&Pair"),
    "pair_cancel": ("Để &sau", "&Later"),
    "pair_incomplete": ("Nhập địa chỉ Odoo và mã ghép máy.", "Enter the address of Odoo and the pairing code."),
    "pair_working": ("Đang ghép máy…", "Pairing…"),
    "panel_not_kept": (
        "Không ghi được vào đĩa ({detail}). Kiểm tra dung lượng đĩa và quyền của thư mục cấu hình rồi thử lại.",
        "The disk could not be written ({detail}). Check free space and the settings folder, then try again.",
    ),
    "pair_done": ("✔ Đã ghép với {server}, người dùng {user}.", "✔ Paired with {server}, user {user}."),
    "pair_replaces": (
        "Máy này đang ghép với {server} (người dùng {user}). Ghép tiếp sẽ thay thế kết nối đó.",
        "This computer is paired with {server} (user {user}). Pairing now replaces that connection.",
    ),
    "link_question": ("Ghép máy này với {server}?", "Pair this computer with {server}?"),
    "link_question_user": ("Ghép máy này với {server} cho {user}?", "Pair this computer with {server} for {user}?"),
    "link_database": ("Cơ sở dữ liệu", "Database"),
    "link_user": ("Người dùng (theo trang web)", "User (says the web page)"),
    "link_advice": (
        "Chỉ đồng ý khi chính bạn vừa bấm Ghép máy này trong Odoo ở địa chỉ trên. Máy chủ này sẽ gửi tờ khai đến đây "
        "để bạn "
        "xem và ký; mỗi lần ký vẫn cần PIN của bạn.",
        "Agree only if you have just pressed Pair this computer in the Odoo at this address. That server will send "
        "forms "
        "here for you to see and sign; each signature still needs your PIN.",
    ),
    "link_no": ("&Không", "&No"),
    "no_certificates": ("Không thấy chứng thư số nào có MST.", "No certificate with a tax code was found."),
}

_language = 0


def use_language(code: str) -> None:
    """``vi`` (the default) or ``en``, for the whole process."""
    global _language
    _language = 1 if code == "en" else 0


def language() -> str:
    """The chosen language, ``vi`` or ``en``."""
    return ("vi", "en")[_language]


def has_text(key: str) -> bool:
    """There is a sentence of this name."""
    return key in _TEXTS


def text(key: str, **values: object) -> str:
    """The sentence in the chosen language. Its values may come from a server or token: they are made harmless."""
    return _TEXTS[key][_language].format(**{name: harmless(value, 1000) for name, value in values.items()})
