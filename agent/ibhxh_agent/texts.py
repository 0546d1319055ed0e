"""Sentences for people: Vietnamese first, English on request. Each says what happened and what to do next."""

from __future__ import annotations

_TEXTS: dict[str, tuple[str, str]] = {
    "pin_cancelled": (
        "Người giữ token đã không nhập PIN. Bấm ký lại khi sẵn sàng.",
        "The token's holder did not enter the PIN. Ask again when ready.",
    ),
    "pin_incorrect": (
        "Token không nhận PIN. Agent không tự thử lại. Kiểm tra PIN (Caps Lock, bộ gõ tiếng Việt) rồi yêu cầu ký lại.",
        "The token did not accept the PIN. It is not tried again by itself. Check the PIN (Caps Lock, Vietnamese input "
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
        "WARNING: one PIN try is left. A wrong PIN now locks the token.",
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
        "The token reported an error at login ({detail}). The PIN may be wrong and the try may count; it is not "
        "repeated.",
    ),
    "driver_died": (
        "Thư viện của token bị dừng đột ngột ({library}). Rút token ra cắm lại; nếu còn lỗi, cài lại trình điều khiển.",
        "The token's library crashed ({library}). Plug the token in again; if it goes on, reinstall its driver.",
    ),
    "driver_timeout": (
        "Thư viện của token không trả lời ({library}). Rút token ra cắm lại; nếu còn lỗi, cài lại trình điều khiển.",
        "The token's library does not answer ({library}). Plug the token in again; if it goes on, reinstall its "
        "driver.",
    ),
    "driver_garbage": (
        "Thư viện của token trả lời sai ({library}). Cài lại trình điều khiển của nhà cung cấp.",
        "The token's library gave a wrong answer ({library}). Reinstall the vendor's driver.",
    ),
    "driver_load": (
        "Không nạp được thư viện của token ({library}). Cài lại trình điều khiển của nhà cung cấp.",
        "The token's library cannot be loaded ({library}). Reinstall the vendor's driver.",
    ),
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
        "Tài liệu không phải XML hợp lệ nên bị từ chối ký.",
        "The document is not acceptable XML; not signed.",
    ),
    "document_unknown": (
        "Tài liệu không phải là tờ khai BHXH đã biết (04, 05, 06) nên bị từ chối ký. Kiểm tra phiên bản của agent.",
        "The document is not one of the known BHXH forms (04, 05, 06); not signed. Check the agent's version.",
    ),
    "document_signed": (
        "Tài liệu đã có chữ ký nên bị từ chối ký.",
        "The document is signed already; not signed again.",
    ),
    "document_hash": (
        "Tài liệu nhận được không khớp mã băm nên bị từ chối ký.",
        "The document does not match its hash; not signed.",
    ),
    "document_form": (
        "Máy chủ nói mẫu {said} nhưng tài liệu là mẫu {found}; từ chối ký.",
        "The server says form {said} but the document is form {found}; not signed.",
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
    "internal_error": (
        "Agent gặp lỗi khi ký. Xem nhật ký của agent rồi yêu cầu ký lại.",
        "The agent failed while signing. See its log, then request the signature again.",
    ),
    "bad_settings": (
        "Không đọc được tệp cấu hình {path}. Xóa tệp rồi ghép lại: ibhxh-agent pair.",
        "The settings file {path} cannot be read. Delete it and pair again: ibhxh-agent pair.",
    ),
    "not_paired": (
        "Máy này chưa được ghép với Odoo. Trong Odoo mở iBHXH > Máy tính của tôi, lấy mã rồi chạy: ibhxh-agent pair.",
        "This computer is not paired with Odoo. In Odoo get a code from iBHXH > My computers, then: ibhxh-agent pair.",
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
        "{server} cannot be reached. Check network, proxy and address; the agent tries again by itself.",
    ),
    "not_protocol": (
        "Máy chủ trả lời không đúng giao thức (HTTP {status}). Kiểm tra địa chỉ, tên cơ sở dữ liệu và ứng dụng iBHXH.",
        "The server's answer is not of the protocol (HTTP {status}). Check address, database name and the iBHXH app.",
    ),
    "ask_title": ("Yêu cầu ký điện tử", "Request for a signature"),
    "ask_pin": (
        "Nhập PIN của token để KÝ (để trống = từ chối):",
        "Token PIN to SIGN (empty = refuse):",
    ),
    "ask_pin_pad": (
        "Nhập PIN trên bàn phím của đầu đọc sau khi bấm Enter (n = từ chối):",
        "Press Enter, then type the PIN on the reader (n = refuse):",
    ),
    "ask_yes": ("PIN đang được nhớ. Enter = ký, n = từ chối:", "The PIN is remembered. Enter = sign, n = refuse:"),
    "label_server": ("Máy chủ", "Server"),
    "label_certificate": ("Chứng thư số", "Certificate"),
    "label_validity": ("Hiệu lực", "Validity"),
    "label_token": ("Token", "Token"),
    "label_company": ("Đơn vị", "Company"),
    "label_email": ("Email", "E-mail"),
    "label_phone": ("Điện thoại", "Phone"),
    "label_requested_by": ("Người yêu cầu", "Requested by"),
    "more_items": ("… và {count} tài liệu nữa", "… and {count} more documents"),
    "result": ("Đã ký {signed}, không ký {failed}.", "Signed {signed}, not signed {failed}."),
    "paired": (
        "Đã ghép với {server} cho {user}. Khóa có hạn đến {expires_at}. Chạy tiếp: ibhxh-agent run",
        "Paired with {server} for {user}. The key is valid until {expires_at}. Next: ibhxh-agent run",
    ),
    "ask_code": ("Mã ghép máy trong Odoo (XXXX-XXXX):", "Pairing code from Odoo (XXXX-XXXX):"),
    "stopped_final": (
        "Máy chủ không còn nhận máy này ({message}). Agent dừng; hãy ghép lại: ibhxh-agent pair.",
        "The server no longer accepts this computer ({message}). The agent stops; pair again: ibhxh-agent pair.",
    ),
    "clock_skew": (
        "Đồng hồ máy này lệch {seconds} giây so với máy chủ. Hãy chỉnh lại ngày giờ.",
        "This computer's clock is {seconds} seconds off the server's. Please correct it.",
    ),
    "outdated": (
        "Agent này đã cũ; máy chủ cần phiên bản từ {minimum}. Hãy nâng cấp.",
        "This agent is outdated; the server needs version {minimum} or later. Please upgrade.",
    ),
    "no_certificates": ("Không thấy chứng thư số nào có MST.", "No certificate with a tax code was found."),
    "certificate_not_valid": (
        "Chứng thư số hết hạn hoặc chưa có hiệu lực.",
        "The certificate has expired or is not valid yet.",
    ),
}

_language = 0


def use_language(code: str) -> None:
    """``vi`` (the default) or ``en``, for the whole process."""
    global _language
    _language = 1 if code == "en" else 0


def text(key: str, **values: object) -> str:
    """The sentence in the chosen language, with its values filled in."""
    return _TEXTS[key][_language].format(**values)
