"""The portal's page in a real browser."""

import shutil

import pytest
import requests
from playwright.sync_api import expect, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
    "--disable-quic",
]
PATIENCE = 60_000  # milliseconds, for a busy machine
DONE = "Hoàn tất thủ tục thành công."


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that may talk to 127.0.0.1 only, and whose script must not fail."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    requested, errors = [], []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    foreign = [url for url in requested if not url.startswith(("http://127.0.0.1:", "data:"))]
    assert (foreign, errors) == ([], [])


@pytest.fixture
def dossier(sandbox):
    sandbox.sandbox.office.mails.portal_url = sandbox.origin
    return sandbox.dossier(sandbox.submit().json()["client_reference"])


def send(page, code, button="Hoàn tất thủ tục"):
    page.get_by_label("Mã xác nhận").fill(code)
    page.get_by_role("button", name=button).click()


def test_activation(page, sandbox, dossier):
    page.goto(dossier["activation_url"])

    expect(page.get_by_role("heading", name="Kích hoạt tài khoản")).to_be_visible()
    expect(page.get_by_label("Mã xác nhận")).to_be_visible()
    shown = [row.inner_text().split("\n") for row in page.locator("#activation dl:visible > div").all()]
    assert shown == [
        ["Mã số BHXH:", "DKTGLD"],
        ["Tên đối tượng:", "Công ty TNHH Ví Dụ"],
        ["Số hồ sơ:", "undefined"],
        ["Thời gian tiếp nhận:", "undefined"],
    ]
    expect(page.get_by_label("Yêu cầu cấp lại mật khẩu nếu đã tồn tại")).to_be_checked()
    expect(page.get_by_label("Mã xác nhận")).to_have_attribute("required", "")
    send(page, dossier["code"])

    expect(page.get_by_role("status")).to_have_text(DONE)
    expect(page.get_by_role("button", name="Hoàn tất thủ tục")).to_be_hidden()
    assert sandbox.unit()["state"] == "registered"
    assert [mail["kind"] for mail in sandbox.control("mails")] == ["activation", "confirmation", "account"]
    page.reload()
    expect(page.get_by_role("status")).to_have_text("Hồ sơ này đã được xác nhận.")


def test_the_seeds_page(page, sandbox, dossier):
    sandbox.control("settings", {"edition": "seed"})
    page.goto(dossier["activation_url"])

    for text in (
        "Thông tin đơn vị",
        sandbox.unit()["unit_code"],
        "Công ty TNHH Ví Dụ",
        dossier["tax_code"],
        dossier["fields"]["Email"],
        "Thông tin hồ sơ",
        "00001/2026/001",
        "02/03/2026 09:00:00",
    ):
        expect(page.get_by_text(text, exact=True).filter(visible=True)).to_be_visible()
    for label in ("Mã đơn vị:", "Tên đơn vị:", "Mã số thuế:", "Hòm thư:", "Số hồ sơ:", "Thời gian tiếp nhận:"):
        expect(page.get_by_text(label, exact=True).filter(visible=True)).to_be_visible()
    expect(page.get_by_label("Yêu cầu cấp lại mật khẩu nếu đã tồn tại")).not_to_be_checked()
    page.get_by_label("Yêu cầu cấp lại mật khẩu nếu đã tồn tại").check()
    send(page, dossier["code"], "Gửi mã xác nhận")

    expect(page.get_by_role("status")).to_have_text(DONE)
    expect(page.get_by_role("button", name="Gửi mã xác nhận")).to_be_hidden()
    expect(page.get_by_role("heading", name="Kích hoạt giao dịch điện tử")).to_be_visible()
    assert sandbox.unit()["state"] == "registered"
    confirmation = sandbox.control("mails")[-1]
    text = requests.get(f"{sandbox.origin}/portal/mails/{confirmation['id']}", timeout=60).json()["text"]
    assert "Mật khẩu đăng nhập cổng thông tin đã được cấp lại" in text
    page.reload()
    expect(page.get_by_role("status")).to_have_text("Hồ sơ này đã được xác nhận.")


def test_a_wrong_code_says_so_and_the_right_one_still_works(page, dossier):
    page.goto(dossier["activation_url"])
    send(page, "AAAAAAAAAA")
    expect(page.locator("#code-error")).to_have_text("Mã xác nhận không đúng. Hãy sao chép lại mã trong thư điện tử.")
    expect(page.get_by_label("Mã xác nhận")).to_be_focused()
    send(page, "")
    expect(page.locator("#code-error")).to_have_text("Hãy nhập mã xác nhận.")
    page.get_by_label("Mã xác nhận").fill(dossier["code"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(DONE)


def test_an_expired_code_says_so(page, sandbox, dossier):
    page.goto(dossier["activation_url"])
    expect(page.get_by_label("Mã xác nhận")).to_be_visible()
    sandbox.control("clock", {"advance_seconds": 24 * 3600})
    send(page, dossier["code"])
    expect(page.locator("#code-error")).to_contain_text("đã hết hạn (quá 24 giờ)")


@pytest.mark.parametrize("token", ["0" * 64, "", "../../etc"])
def test_an_unknown_link_says_so(page, sandbox, token):
    page.goto(f"{sandbox.origin}/#/kich-hoat/{token}")
    expect(page.get_by_role("alert").first).to_contain_text("Đường dẫn kích hoạt không tồn tại")
    expect(page.get_by_role("button", name="Hoàn tất thủ tục")).to_be_hidden()


def test_a_replaced_link_says_so(page, sandbox, dossier):
    sandbox.submit()
    page.goto(dossier["activation_url"])
    expect(page.get_by_role("alert").first).to_contain_text("đã được thay")


def test_one_page_shows_one_link_after_another(page, sandbox, dossier):
    page.goto(f"{sandbox.origin}/#/kich-hoat/{'0' * 64}")
    page.goto(dossier["activation_url"])
    expect(page.locator("#link-error")).to_be_hidden()
    expect(page.get_by_label("Mã xác nhận")).to_be_visible()


def test_when_the_server_is_gone_the_page_says_so(page, dossier):
    page.goto(dossier["activation_url"])
    expect(page.get_by_label("Mã xác nhận")).to_be_visible()
    page.route("**/portal/**", lambda route: route.abort())
    send(page, dossier["code"])
    expect(page.locator("#code-error")).to_contain_text("Không kết nối được")


def test_home_and_banner(page, sandbox):
    page.goto(sandbox.origin)
    expect(page.get_by_role("note")).to_contain_text("đây không phải là cổng thật")
    expect(page.get_by_role("heading", name="Trang chủ")).to_be_visible()
    page.goto(f"{sandbox.origin}/#/khac")
    expect(page.get_by_role("heading", name="Không có trang này")).to_be_visible()


def test_from_the_mailbox_to_the_end(page, sandbox, dossier):
    page.goto(sandbox.origin)
    page.get_by_role("navigation").get_by_role("link", name="Hộp thư thử nghiệm").click()
    page.get_by_role("link", name="Đăng ký giao dịch").click()
    expect(page.frame_locator("#mail-html").get_by_text(dossier["code"], exact=True)).to_be_visible()
    page.frame_locator("#mail-html").get_by_role("link", name="bấm vào đây").click()
    send(page, dossier["code"])
    expect(page.get_by_role("status")).to_have_text(DONE)


def test_every_control_has_a_name_and_the_page_its_language(page, dossier):
    page.goto(dossier["activation_url"])
    expect(page.get_by_label("Mã xác nhận")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "vi"
    snapshot = page.locator("body").aria_snapshot()
    assert '- textbox "Mã xác nhận"' in snapshot
    assert '- checkbox "Yêu cầu cấp lại mật khẩu nếu đã tồn tại"' in snapshot
    assert '- heading "Kích hoạt tài khoản"' in snapshot
    assert '- button "Hoàn tất thủ tục"' in snapshot
