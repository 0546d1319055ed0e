"""How often somebody may guess."""

from ipaddress import ip_address, ip_network

from odoo.tests import BaseCase, tagged

from ..tools import throttle


@tagged("post_install_l10n", "post_install", "-at_install")
class TestThrottle(BaseCase):
    def setUp(self):
        super().setUp()
        self.now = 0.0
        self.throttle = throttle.Throttle(3, 60, clock=lambda: self.now)

    def guess(self, key="a"):
        return self.throttle.enter(key)

    def test_s15_so_many_in_so_much_time(self):
        self.assertEqual([self.guess() for _try in range(5)], [True] * 3 + [False] * 2)
        self.assertTrue(self.guess("b"), "each address by itself")
        self.now = 59.9
        self.assertFalse(self.guess())
        self.now = 60
        self.assertEqual([self.guess() for _try in range(4)], [True] * 3 + [False])

    def test_s15_what_was_refused_does_not_count(self):
        """Somebody who goes on is let in again when the time of his guesses is over."""
        for self.now in range(0, 60, 5):
            self.guess()
        self.now = 70
        self.assertTrue(self.guess())

    def test_s15_a_right_one_takes_back_itself_only(self):
        for _round in range(3):
            self.assertTrue(self.guess())
            self.assertTrue(self.guess("own"))
            self.throttle.take_back("own")
        self.assertFalse(self.guess())
        self.throttle.take_back("never heard of")

    def test_s15_memory_is_bounded(self):
        for number in range(throttle.MAX_KEYS + 10):
            self.guess(number)
        self.assertEqual(len(self.throttle._guesses), throttle.MAX_KEYS)
        self.assertNotIn(0, self.throttle._guesses)

    def test_s15_whose_guess_it_is(self):
        for text, expected in {
            "203.0.113.7": ip_address("203.0.113.7"),
            "::ffff:203.0.113.7": ip_address("203.0.113.7"),
            "2001:db8:1:2:3:4:5:6": ip_network("2001:db8:1:2::/64"),
            "fe80::1%eth0": ip_network("fe80::/64"),
            "unix:": "unix:",
        }.items():
            self.assertEqual(throttle.source(text), expected)
