"""Questions about several dossiers at once, and about what has changed."""

import uuid

import pytest

from ibhxh_sandbox import web_gateway


def ask(sandbox, *entries, **options):
    return sandbox.call("POST", "/progress", json={"dossiers": list(entries)}, **options)


def question(reference, version=None):
    return {"client_reference": reference, "version": version}


def follow(sandbox, reference):
    return sandbox.call("GET", f"/dossiers/{reference}").json()


def lodge(sandbox):
    return sandbox.submit().json()["client_reference"]


def test_the_answer_about_several_is_that_about_each(sandbox):
    first, second, unknown = lodge(sandbox), lodge(sandbox), str(uuid.uuid4())

    answer = ask(sandbox, question(first), question(second.upper()), question(unknown))

    assert answer.status_code == 200
    assert answer.json()["dossiers"] == [
        follow(sandbox, first),
        follow(sandbox, second),
        {"client_reference": unknown, "code": "not_found"},
    ]


def test_dossiers_of_another_client_are_not_found(sandbox):
    reference = lodge(sandbox)
    answer = ask(sandbox, question(reference), auth=("other", "khác".encode()))
    assert answer.json()["dossiers"] == [{"client_reference": reference, "code": "not_found"}]


def test_another_version_when_something_has_changed(sandbox):
    reference = lodge(sandbox)
    before = follow(sandbox, reference)["version"]
    assert ask(sandbox, question(reference, before)).json()["dossiers"] == [
        {"client_reference": reference, "code": "unchanged"}
    ]

    sandbox.control("clock", {"advance_seconds": 25 * 3600})

    after = follow(sandbox, reference)
    assert after["version"] != before
    assert not after["needs_activation"], "the code has ended"
    assert ask(sandbox, question(reference, before)).json()["dossiers"] == [after]


def test_one_dossier_has_its_version_as_a_tag(sandbox):
    reference = lodge(sandbox)
    answer = sandbox.call("GET", f"/dossiers/{reference}")
    tag = f'"{answer.json()["version"]}"'
    assert answer.headers["ETag"] == tag

    again = sandbox.call("GET", f"/dossiers/{reference}", headers={"If-None-Match": tag})

    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)


def test_what_does_not_fit_in_is_left_out(sandbox, monkeypatch):
    references = [lodge(sandbox) for _ in range(3)]
    monkeypatch.setattr(web_gateway, "MAX_ANSWER", len(str(follow(sandbox, references[0]))) * 5 // 2)
    found = ask(sandbox, *map(question, references)).json()["dossiers"]
    assert 0 < len(found) < len(references)


def test_a_gateway_that_does_not_offer_it(sandbox):
    sandbox.control("settings", {"progress_of_many": False, "progress_versions": False})
    reference = lodge(sandbox)

    answer = ask(sandbox, question(reference))

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_path")
    assert "version" not in follow(sandbox, reference)


@pytest.mark.parametrize(
    "dossiers",
    [
        None,
        {},
        [],
        ["x"],
        [{"client_reference": "1"}],
        [{"version": "1"}],
        [question(str(uuid.uuid4()), 7)],
        [question(str(uuid.uuid4()), "")],
        [question(str(uuid.uuid4()), 'a"b')],
        [question(str(uuid.uuid4())) for _ in range(101)],
    ],
)
def test_bad_questions(sandbox, dossiers):
    answer = sandbox.call("POST", "/progress", json={"dossiers": dossiers})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
