import html
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import mistune
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.contract import CLOCK_MODES
from c2lib.core.errors import ConfigError, InputError
from c2lib.core.vocabulary import StopReason
from c2lib.evidence.claims import Replay, Verification, evaluate
from c2lib.evidence.render import TEMPLATE_NAME, evidence_name, render
from c2lib.witness.findings import Verdict
from c2lib.witness.run import RunSummary
from tests.evidence.outline import outline
from tests.evidence.runs import CLEAN, clean_summary, digest, rejected_summary

TEMPLATE = (Path(__file__).parents[2] / "evidence_templates" / TEMPLATE_NAME).read_text(encoding="utf-8")
GOLDEN = Path(__file__).with_name("golden_ev.md")
PLOTS = {name: digest(name) for name in ("phases.png", "price.png", "equity.png")}

SECTIONS = [
    "## Scope",
    "## Claims",
    "## Artifacts",
    "## Verification Steps",
    "## Safety/Governance",
    "## What this does not prove",
    "## Risk Notes",
    "## Plots",
]


def draft(
    summary: RunSummary,
    verification: Verification = CLEAN,
    template: str = TEMPLATE,
    date: str = "2026-01-31",
    owner: str = "ops (A. Reviewer)",
    plots: Mapping[str, str] = PLOTS,
) -> str:
    """Return the draft of a run, with the claims that follow from it."""
    claims = evaluate(summary, verification)
    return render(template, summary, claims, verification, date=date, owner=owner, plots=plots)


def test_a_whole_draft_is_the_golden_text() -> None:
    """The draft of the clean run, word by word; the same arguments give the same text."""
    text = draft(clean_summary())
    assert text == GOLDEN.read_text(encoding="utf-8")
    assert draft(clean_summary(), plots=dict(reversed(PLOTS.items()))) == text


def test_a_draft_has_the_sections_and_rows_that_its_run_gives() -> None:
    """One title, eight sections, the tables of scope, claims, references, files, digests and pictures."""
    seen = outline(draft(clean_summary()))
    assert seen.headings == ["# EV-20260131-FINISH_C2-ORCH-DRYRUN-PASS", *SECTIONS]
    assert seen.tables == [[2] * 16, [6] * 14, [3] * 12, [4] * 7, [2] * 6, [2] * 5]
    assert seen.tags == {"<code>", "</code>"}
    assert seen.pictures == ["![equity.png](equity.png)", "![phases.png](phases.png)", "![price.png](price.png)"]


def test_a_rejected_run_gives_a_fail_that_names_its_claims() -> None:
    """The title, the status and the risk notes say what did not hold."""
    text = draft(rejected_summary())
    assert text.startswith("# EV-20260131-FINISH_C2-ORCH-DRYRUN-FAIL\n")
    assert "- **Status:** DRAFT, FAIL (5 of 12 claims hold; failed: <code>status</code>, " in text
    assert "- Claims that do not hold: <code>status</code>, <code>stop_reason</code>, " in text
    assert "- Preflight rejected the run: <code>C2_REJECT_LIVE_ENABLED</code> " in text
    assert outline(text).headings[1:] == SECTIONS


def test_claims_that_are_missing_make_a_fail() -> None:
    """A draft with no claims at all says that claims are missing."""
    summary = clean_summary()
    text = render(TEMPLATE, summary, (), CLEAN, date="2026-01-31", owner="ops", plots={})
    assert "- **Status:** DRAFT, FAIL (0 of 0 claims hold; failed: claims are missing)" in text


def test_a_run_of_which_nothing_is_known_gives_a_draft() -> None:
    """An empty summary is evidence as well, of a FAIL."""
    text = draft(RunSummary(), Verification(Verdict.INCOMPLETE, 1, Replay.IMPOSSIBLE), plots={})
    assert outline(text).headings == ["# EV-20260131-FINISH_C2-ORCH-DRYRUN-FAIL", *SECTIONS]
    assert "No picture was drawn." in text


def test_a_draft_ends_in_one_newline_and_no_line_in_a_blank() -> None:
    """Even when the template does not keep to that."""
    text = draft(clean_summary(), template="\n\n" + TEMPLATE.replace("\n", "  \r\n") + "\n\n")
    assert text == draft(clean_summary())
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert all(line == line.rstrip() for line in text.split("\n"))


@pytest.mark.parametrize(
    ("date", "passed", "name"),
    [
        ("2026-01-31", True, "EV-20260131-FINISH_C2-ORCH-DRYRUN-PASS.md"),
        ("2028-02-29", False, "EV-20280229-FINISH_C2-ORCH-DRYRUN-FAIL.md"),
    ],
)
def test_the_name_holds_date_and_result(date: str, passed: bool, name: str) -> None:
    """The file name is the evidence id with its ending."""
    assert evidence_name(date, passed) == name


@pytest.mark.parametrize(
    "date", ["", "20260131", "2026-1-31", "2026-02-30", "2026-01-31\n", "2026-W05-6", "٢٠٢٦-01-31", "2026-01-31T00:00"]
)
def test_a_date_that_is_no_day_is_refused(date: str) -> None:
    """The error names the field."""
    with pytest.raises(ConfigError) as caught:
        evidence_name(date, True)
    assert caught.value.field == "evidence_date"


@pytest.mark.parametrize(
    "owner",
    [
        "",
        "  ",
        "a\nb",
        "a\x00b",
        "\u202eops",
        "e\u0301",
        "x" * 101,
        "password=hunter2hunter2",
        "\ud800",
        "ghp_" + "a1" * 18,
    ],
)
def test_an_owner_that_cannot_stand_in_a_draft_is_refused(owner: str) -> None:
    """Empty, long, more than a line, invisible or secret-looking names are refused and not quoted."""
    with pytest.raises(ConfigError) as caught:
        draft(clean_summary(), owner=owner)
    assert caught.value.field == "owner"
    assert not owner.strip() or owner not in str(caught.value)


def test_an_owner_is_encoded() -> None:
    """Markup in a name is shown, not obeyed."""
    text = draft(clean_summary(), owner=" J. Müller <b>|# ")
    assert "- **Owner:** J. Müller &#60;b&#62;&#124;&#35;\n" in text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (TEMPLATE.replace("$claims", "all well"), r"placeholder \$claims is missing"),
        (TEMPLATE + "$wish", r"unknown placeholder \$wish"),
        (TEMPLATE + "${wish}", r"unknown placeholder \$wish"),
        (TEMPLATE + "costs 5 $", r"begins no placeholder"),
        ("", r"placeholder \$evidence_id is missing"),
    ],
)
def test_a_template_that_does_not_fit_is_refused(template: str, problem: str) -> None:
    """No part of a draft can be left out or made up by its template."""
    with pytest.raises(InputError, match=problem):
        draft(clean_summary(), template=template)


@pytest.mark.parametrize(
    "plots",
    [
        {"../x.png": digest("x")},
        {"x.svg": digest("x")},
        {"x.png": "abc"},
        {"x](y).png": digest("x")},
        {".png": digest("")},
    ],
)
def test_plots_that_are_no_pictures_with_hashes_are_refused(plots: dict[str, str]) -> None:
    """A picture's name goes into a link, so that it must be plain."""
    with pytest.raises(InputError, match="plots"):
        draft(clean_summary(), plots=plots)


def test_a_dollar_in_a_value_is_no_placeholder() -> None:
    """Values are set in once and never searched for placeholders."""
    assert "<code>&#36;claims&#36;&#123;owner&#125;</code>" in draft(clean_summary(symbol="$claims${owner}"))


def hostile_summary(text: str) -> RunSummary:
    """Return a rejected run that says ``text`` wherever a run can."""
    summary = rejected_summary(
        run_id=text,
        strategy_id=text,
        symbol=text,
        stop_reason=text,
        reject_reason=text,
        fail_code=text,
        fail_reason=text,
        started_ts=text,
        mark_price=text,
        position=f"x{text}",
        fees=text,
        criteria_sha256=text,
        audit_last_hash=text,
        market_sha256=text,
        references={"rejected": text},
    )
    config: dict[str, Any] = dict(summary.config) | {"no_live_required": text, "clock_mode": text, "enabled": text}
    return replace(summary, config=config)


TELLING = frozenset({*CLOCK_MODES, *StopReason, "hook", "namespace"})
"""Words of the contract by which a draft chooses its sentences: no forgery, and drawn when a module has them."""

HOSTILE = st.text(
    st.sampled_from("|`~#*_[]()<>!&\\\n\r\u2028\u202e$ ab1.:/-+=") | st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=40,
).filter(lambda text: text not in TELLING)


@settings(max_examples=60)
@given(HOSTILE)
def test_no_text_of_a_run_changes_the_outline_of_its_draft(text: str) -> None:
    """Whatever a run says: the same headings, rows, cells, list items, tags and pictures."""
    assert outline(draft(hostile_summary(text))) == outline(draft(hostile_summary("x")))


@pytest.mark.parametrize(
    "text",
    [
        "x |\n| forged | row |",
        "\n## Claims\n\n| a |\n| --- |\n| PASS |",
        "```\nfence\n```",
        "</code></td></tr><script>alert(1)</script>",
        "[click](https://evil.example) ![img](x.png) https://evil.example www.evil.example <https://evil.example>",
        "\\| `a` **b** _c_ ~~d~~ &lt;b&gt; <!-- ",
    ],
)
def test_a_markdown_renderer_sees_nothing_of_the_run(text: str) -> None:
    """A real renderer with tables, links and strike-through gives the same tags, and shows the text."""
    markdown = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url", "task_lists", "math"])

    def tags(value: str) -> list[str]:
        rendered = markdown(draft(hostile_summary(value)))
        assert isinstance(rendered, str)
        assert value == "x" or "[U+000A]" in rendered or html.escape(value, quote=False)[:10] in rendered
        return [piece.split(">")[0].split(" ")[0] for piece in rendered.split("<")[1:]]

    assert tags(text) == tags("x")
