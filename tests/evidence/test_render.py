import html
import re
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
from c2lib.evidence.figures import Measured
from c2lib.evidence.render import TEMPLATE_NAME, Stated, evidence_name, render
from c2lib.witness.findings import Verdict
from c2lib.witness.summary import RunSummary
from tests.evidence.outline import outline
from tests.evidence.runs import CLEAN, MEASURED, clean_summary, config, digest, rejected_summary

TEMPLATE = (Path(__file__).parents[2] / "evidence_templates" / TEMPLATE_NAME).read_text(encoding="utf-8")
GOLDEN = Path(__file__).with_name("golden_ev.md")
PLOTS = {name: digest(name) for name in ("phases.png", "price.png", "tear_sheet.png")}

SECTIONS = [
    "## Summary",
    "## Claims",
    "## Scope",
    "## Artifacts",
    "## Verification Steps",
    "## Safety/Governance",
    "## What this does not prove",
    "## Risk Notes",
    "## Plots",
    "## Appendix: hashes",
]


def draft(
    summary: RunSummary,
    verification: Verification = CLEAN,
    template: str = TEMPLATE,
    date: str = "2026-01-31",
    owner: str = "ops (A. Reviewer)",
    plots: Mapping[str, str] = PLOTS,
    measured: Measured = MEASURED,
    **stated: Any,
) -> str:
    """Return the draft of a run, with the claims that follow from it."""
    claims = evaluate(summary, verification)
    return render(template, summary, claims, verification, measured, Stated(date, owner, plots, **stated))


def test_clean_draft_matches_golden() -> None:
    """The draft of the clean run is the golden text, in whatever order its pictures are given."""
    text = draft(clean_summary())
    assert text == GOLDEN.read_text(encoding="utf-8")
    assert draft(clean_summary(), plots=dict(reversed(PLOTS.items()))) == text


def test_draft_has_fixed_sections() -> None:
    """A draft has one title, ten sections, and the tables and pictures that its run gives."""
    seen = outline(draft(clean_summary()))
    assert seen.headings == ["# EV-20260131-FINISH_C2-ORCH-DRYRUN-PASS", *SECTIONS]
    assert seen.tables == [[4] * 15, [2] * 13, [4] * 7, [3] * 19]
    assert seen.fences == 5
    assert seen.tags == {"<code>", "</code>"}
    assert seen.pictures == [
        "![phases.png](phases.png)",
        "![price.png](price.png)",
        "![tear_sheet.png](tear_sheet.png)",
    ]


def test_rejected_run_renders_fail() -> None:
    """The draft of a rejected run has FAIL in its title and names the failed claims and the reject code."""
    text = draft(rejected_summary())
    assert text.startswith("# EV-20260131-FINISH_C2-ORCH-DRYRUN-FAIL\n")
    assert "- **Verdict:** **FAIL**, 6 of 13 claims hold; failed: `status`, " in text
    assert "- Claims that do not hold: `status`, `stop_reason`, " in text
    assert "- Preflight rejected the run: `C2_REJECT_LIVE_ENABLED`\n" in text
    assert outline(text).headings[1:] == SECTIONS


def test_weaker_criteria_stand_first() -> None:
    """Criteria weaker than the default profile stand in the first lines, beside the verdict, with both values."""
    weak = config(criteria={"min_fills": 0, "stop_reason": None, "steps_as_planned": False, "max_rail_trips": 2})
    first = draft(clean_summary(weak, fills=0, rail_trips=2)).split("\n")
    assert first[10:12] == [
        "- **Verdict:** **PASS**, 11 of 11 claims hold.",
        (
            "- **Criteria:** WEAKER than the default profile: "
            "`stop_reason` `null` instead of `completed`, "
            "`steps_as_planned` `false` instead of `true`, "
            "`min_fills` `0` instead of `1`, "
            "`max_rail_trips` `2` instead of `0`."
        ),
    ]
    assert "- **Criteria:** no weaker than the default profile." in draft(clean_summary())
    assert "- **Criteria:** they cannot be read; the default profile stands in." in draft(RunSummary())


def test_sealed_criteria_claim_no_time() -> None:
    """A draft claims that the record holds together around the criteria, and never that they stood before the run."""
    text = " ".join(draft(clean_summary()).split())
    assert "before the first step" not in text.replace("Steps bounded before the first one", "")
    assert text.count("before the run, only a digest kept elsewhere proves") == 1


def test_missing_claims_render_fail() -> None:
    """A draft without claims is a FAIL whose verdict says that claims are missing."""
    summary = clean_summary()
    text = render(TEMPLATE, summary, (), CLEAN, MEASURED, Stated("2026-01-31", "ops", {}))
    assert "- **Verdict:** **FAIL**, 0 of 0 claims hold; claims are missing.\n" in text


def test_empty_run_renders_draft() -> None:
    """An empty run summary renders as a FAIL draft with every section."""
    text = draft(RunSummary(), Verification(Verdict.INCOMPLETE, 1, Replay.IMPOSSIBLE), plots={}, measured=Measured())
    assert outline(text).headings == ["# EV-20260131-FINISH_C2-ORCH-DRYRUN-FAIL", *SECTIONS]
    assert "No picture was drawn." in text


def test_draft_has_no_trailing_blanks() -> None:
    """A draft ends in one newline and no line ends in a blank, whatever its template holds."""
    text = draft(clean_summary(), template="\n\n" + re.sub("(?<!%})\n", "  \r\n", TEMPLATE) + "\n\n")
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
def test_name_holds_date_and_result(date: str, passed: bool, name: str) -> None:
    """The name of an evidence file holds the date and the result, PASS or FAIL."""
    assert evidence_name(date, passed) == name


@pytest.mark.parametrize(
    "date", ["", "20260131", "2026-1-31", "2026-02-30", "2026-01-31\n", "2026-W05-6", "٢٠٢٦-01-31", "2026-01-31T00:00"]
)
def test_invalid_date_is_refused(date: str) -> None:
    """A date that is no calendar day written as YYYY-MM-DD raises a ConfigError on the field evidence_date."""
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
def test_invalid_owner_is_refused(owner: str) -> None:
    """An empty, long, multi-line, invisible or secret-like owner raises a ConfigError that never quotes the name."""
    with pytest.raises(ConfigError) as caught:
        draft(clean_summary(), owner=owner)
    assert caught.value.field == "owner"
    assert not owner.strip() or owner not in str(caught.value)


def test_owner_is_escaped() -> None:
    """Markup in the owner's name is escaped in the draft."""
    text = draft(clean_summary(), owner=" J. Müller <b>|# ")
    assert "- **Owner:** J. Müller &#60;b&#62;&#124;&#35;\n" in text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (re.sub(r"{{ outcome }}", "all well", TEMPLATE), "outcome is missing"),
        (TEMPLATE + "{{ wish }}", "'wish' is undefined"),
        (TEMPLATE + "{{ run.wish }}", "has no attribute 'wish'"),
        (TEMPLATE + "{{ wish", "unexpected end of template"),
        (TEMPLATE + "{{ run.__class__.__init__.__globals__ }}", "access to attribute .* is unsafe"),
        (TEMPLATE + "{% include '/etc/hostname' %}", "no loader for this environment"),
        (TEMPLATE + "{{ 'a' + 1 }}", "can only concatenate str"),
        (TEMPLATE + "{{ 1 // 0 }}", "division"),
        ("", "evidence_id is missing"),
    ],
)
def test_unfit_template_is_refused(template: str, problem: str) -> None:
    """A template that leaves a part out, asks for what is not there or reaches out raises an InputError."""
    with pytest.raises(InputError, match=f"^template: .*{problem}"):
        draft(clean_summary(), template=template)


@pytest.mark.parametrize(
    "expression",
    [
        "run.symbol",
        "run.symbol|safe",
        "run.symbol ~ ''",
        "[run.symbol, run.symbol|code]|join(' ')",
        "'%s'|format(run.symbol)",
        "{'x': run.symbol}",
    ],
)
def test_templates_cannot_show_structure(expression: str) -> None:
    """Whatever expression of a template shows a value of the run, the value adds no structure to the draft."""
    template = f"{TEMPLATE}\n{{{{ {expression} }}}}\n"
    hostile = "x`\n## Claims\n\n| a | b |\n<script>[x](y)"
    assert outline(draft(clean_summary(symbol=hostile), template=template)).headings[1:] == SECTIONS
    shown = draft(clean_summary(symbol=hostile), template=template).split("\n")[-2]
    assert not re.search("[|<>\\[]", shown.replace("<code>", "").replace("</code>", ""))


def test_expression_in_value_stays() -> None:
    """The text of a template's expression inside a value of the run is shown and not evaluated."""
    assert "`{{ owner }}{% if 1 %}`" in draft(clean_summary(symbol="{{ owner }}{% if 1 %}"))


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
"""Words of the contract by which a draft chooses its sentences: left out of the hostile texts."""

HOSTILE = st.text(
    st.sampled_from("|`~#*_[]()<>!&\\\n\r\u2028\u202e$ ab1.:/-+=") | st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=40,
).filter(lambda text: text not in TELLING)


@settings(max_examples=60)
@given(HOSTILE)
def test_run_text_keeps_outline(text: str) -> None:
    """No text of a run changes the headings, tables, lists, tags or pictures of its draft."""
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
def test_renderer_shows_text_literally(text: str) -> None:
    """A markdown renderer makes the same tags from a draft whatever the run says, and shows the text literally."""
    markdown = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url", "task_lists", "math"])

    def tags(value: str) -> list[str]:
        rendered = markdown(draft(hostile_summary(value)))
        assert isinstance(rendered, str)
        assert value == "x" or "[U+000A]" in rendered or html.escape(value, quote=False)[:10] in rendered
        return [piece.split(">")[0].split(" ")[0] for piece in rendered.split("<")[1:]]

    assert tags(text) == tags("x")
