"""Which links are shown as the portal's: the person clicks on them, so every trick of an address is tried."""

from odoo.tests import tagged

from .common import IbhxhCommon

CODE = "#/kich-hoat/" + "A" * 64
GOOD = (
    f"https://dichvucong.baohiemxahoi.gov.vn/{CODE}",
    f"https://baohiemxahoi.gov.vn/{CODE}",
    f"HTTPS://DICHVUCONG.BAOHIEMXAHOI.GOV.VN/{CODE}",
)
BAD = {
    "another host": f"https://example.com/{CODE}",
    "suffix without a dot": f"https://xbaohiemxahoi.gov.vn/{CODE}",
    "as a label in front": f"https://baohiemxahoi.gov.vn.example.com/{CODE}",
    "as user name": f"https://baohiemxahoi.gov.vn@example.com/{CODE}",
    "as user name and password": f"https://baohiemxahoi.gov.vn:443@example.com/{CODE}",
    "user name before the right host": f"https://x@baohiemxahoi.gov.vn/{CODE}",
    "empty user name": f"https://@baohiemxahoi.gov.vn/{CODE}",
    "not encrypted": f"http://baohiemxahoi.gov.vn/{CODE}",
    "another port": f"https://baohiemxahoi.gov.vn:8443/{CODE}",
    "no number for a port": f"https://baohiemxahoi.gov.vn:x/{CODE}",
    "backslash before the host": f"https:\\\\example.com\\@baohiemxahoi.gov.vn/{CODE}",
    "backslash in the host": f"https://example.com\\.baohiemxahoi.gov.vn/{CODE}",
    "backslash as a slash": f"https://example.com\\@baohiemxahoi.gov.vn/{CODE}",
    "three slashes": f"https:///baohiemxahoi.gov.vn/{CODE}",
    "no slashes": f"https:baohiemxahoi.gov.vn/{CODE}",
    "no scheme": f"//baohiemxahoi.gov.vn/{CODE}",
    "script": f"javascript:alert(1)//baohiemxahoi.gov.vn/{CODE}",
    "data": f"data:text/html,https://baohiemxahoi.gov.vn/{CODE}",
    "host in the path": f"https://example.com/baohiemxahoi.gov.vn/{CODE}",
    "host in the query": f"https://example.com?baohiemxahoi.gov.vn/{CODE}",
    "host in the fragment": f"https://example.com#baohiemxahoi.gov.vn/{CODE}",
    "Cyrillic letter": f"https://b\u0430ohiemxahoi.gov.vn/{CODE}",
    "full-width dot": f"https://example.com\uff0ebaohiemxahoi.gov.vn/{CODE}",
    "ideographic full stop": f"https://example.com\u3002baohiemxahoi.gov.vn/{CODE}",
    "full-width slash": f"https://example.com\uff0f.baohiemxahoi.gov.vn/{CODE}",
    "full-width at": f"https://x\uff20baohiemxahoi.gov.vn/{CODE}",
    "account symbol": f"https://example.com\u2100.baohiemxahoi.gov.vn/{CODE}",
    "line break in the host": f"https://example.com\n.baohiemxahoi.gov.vn/{CODE}",
    "tab in the host": f"https://example\t.com/.baohiemxahoi.gov.vn/{CODE}",
    "blank in the host": f"https://example.com .baohiemxahoi.gov.vn/{CODE}",
    "NUL in the host": f"https://example.com\x00.baohiemxahoi.gov.vn/{CODE}",
    "percent in the host": f"https://example.com%2f.baohiemxahoi.gov.vn/{CODE}",
    "a leading blank": f" https://baohiemxahoi.gov.vn.example.com/{CODE}",
    "dot at the end": f"https://example.com./{CODE}",
    "an address in brackets": f"https://[::1]/{CODE}",
    "broken brackets": f"https://[baohiemxahoi.gov.vn/{CODE}",
    "loopback that is not on the list": f"http://127.0.0.1/{CODE}",
    "nothing": "",
}


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAttackLinks(IbhxhCommon):
    def test_links_of_the_portal_are_shown(self):
        for url in GOOD:
            with self.subTest(url):
                self.assertTrue(self.provider._is_portal_link(url))

    def test_links_to_anywhere_else_are_not(self):
        for trick, url in BAD.items():
            with self.subTest(trick):
                self.assertFalse(self.provider._is_portal_link(url))

    def test_an_empty_list_shows_no_link(self):
        self.provider.portal_hosts = False
        self.assertFalse(self.provider._is_portal_link(GOOD[0]))

    def test_a_link_is_hidden_when_its_host_leaves_the_list(self):
        registration = self._sent()
        registration._activate("BV2VLHCKRA", GOOD[0], registration.submitted_at)
        self.assertTrue(registration.is_link_shown)
        self.provider.portal_hosts = "example.com"
        self.assertFalse(registration.is_link_shown)
