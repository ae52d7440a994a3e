"""The detectors against the examples of gitleaks 8.30.1 and detect-secrets 1.5.0."""

import pytest

from c2lib.core.redaction import find_secret, is_redacted, redact_secrets
from tests.core.corpus import CONTEXTS, EXAMPLES, TOKENS, Example, filled


@pytest.mark.parametrize("context", CONTEXTS)
def test_context_alone_is_kept(context: str) -> None:
    """A context without a token in it holds no secret, so that a find in it is a find of the token."""
    assert find_secret(context.format("a word")) is None


@pytest.mark.parametrize(("rule", "template"), TOKENS)
def test_token_is_found_in_context(rule: str, template: str) -> None:
    """The shape of every rule is found in every context, and nothing of the token's last 12 characters is left."""
    token = filled(template)
    for context in CONTEXTS:
        redacted = redact_secrets(context.format(token))
        assert is_redacted(redacted), (rule, context)
        assert token[-12:] not in redacted, (rule, context)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rule)
def test_verdict_is_theirs(example: Example) -> None:
    """A text has the verdict of the other program's rule, or the opposite one where a reason is given."""
    ours = find_secret(filled(example.text)) is not None
    assert ours is (example.found is (example.differs == "")), example
