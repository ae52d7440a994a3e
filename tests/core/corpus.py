"""Examples of the rules of gitleaks 8.30.1 and detect-secrets 1.5.0, made anew: their shapes, contexts and verdicts.

In a text, ``{n36}`` stands for 36 random characters of an alphabet of :data:`ALPHABETS`. They are filled in when the
tests run, so that no scanner takes this file for a leak.
"""

import random
import re
import string
from typing import NamedTuple


class Example(NamedTuple):
    """A text that a rule of another program judges, and why our verdict differs, where it does."""

    rule: str
    text: str
    found: bool
    differs: str = ""


LETTERS_DIGITS = string.ascii_letters + string.digits
ALPHABETS = {
    "n": LETTERS_DIGITS,
    "a": string.ascii_lowercase + string.digits,
    "L": string.ascii_letters,
    "U": string.ascii_uppercase,
    "w": LETTERS_DIGITS + "-_",
    "b": LETTERS_DIGITS + "+/",
    "h": "0123456789abcdef",
    "d": string.digits,
}

REPEATED = "a token that repeats itself is found: nothing is judged by entropy"
WORDS = "words are left alone: it may be the name of a strategy"
BY_NAME = "the name in front of it is enough"
SHORT = "a token that was cut is found, too"
PHRASE = "what follows such a name is taken for a value, also where it is a word"
SUFFIX = "a name that goes on is another name, as token_address"
BACKWARDS = "a value in front of its name is not looked for"

CONTEXTS = (
    'demoItem = "{}"',
    "demoItem={}",
    '{{\n  "the_item": "{}"\n}}',
    '{{"config.ini": "AN_ITEM={}\\nBACKUP=true"}}',
    "<demoItem>\n  {}\n</demoItem>",
    "the_item: '{}'",
    'var t string = "{}"',
    'config.set("X", "{}")',
    "'x' => `{}`",
    "the log said {} and went on",
    "https://example.org/?x={}&y=1",
    "{}",
)
"""Where a token stands; by itself none of these is a secret."""

TOKENS = (
    ("gitleaks npm-access-token", "npm_{n36}"),
    ("gitleaks pypi-upload-token", "pypi-AgEIcHlwaS5vcmc{h64}"),
    ("detect-secrets PypiTokenDetector", "pypi-AgENdGVzdC5weXBpLm9yZw{w120}"),
    ("gitleaks huggingface-access-token", "hf_{L34}"),
    ("gitleaks huggingface-organization-api-token", "api_org_{L34}"),
    ("detect-secrets SendGridDetector", "SG.{w22}.{w43}"),
    ("detect-secrets DiscordBotTokenDetector", "M{w23}.{w6}.{w27}"),
    ("detect-secrets DiscordBotTokenDetector", "N{w25}.{w6}.{w38}"),
    ("gitleaks vault-service-token", "hvs.{w90}"),
    ("gitleaks vault-service-token", "s.4{n23}"),
    ("gitleaks vault-batch-token", "hvb.{w138}"),
    ("gitleaks grafana-api-key", "eyJrIjoi{n70}"),
    ("gitleaks grafana-cloud-api-token", "glc_{n32}"),
    ("gitleaks grafana-cloud-api-token", "glc_{b120}=="),
    ("gitleaks grafana-service-account-token", "glsa_{n32}_{h8}"),
    ("gitleaks digitalocean-pat", "dop_v1_{h64}"),
    ("gitleaks digitalocean-access-token", "doo_v1_{h64}"),
    ("gitleaks digitalocean-refresh-token", "dor_v1_{h64}"),
    ("gitleaks shopify-access-token", "shpat_{h32}"),
    ("gitleaks shopify-custom-access-token", "shpca_{h32}"),
    ("gitleaks shopify-private-app-access-token", "shppa_{h32}"),
    ("gitleaks shopify-shared-secret", "shpss_{h32}"),
    ("gitleaks databricks-api-token", "dapi{h32}"),
    ("gitleaks databricks-api-token", "dapi{h32}-2"),
    ("gitleaks twilio-api-key", "SK{h32}"),
    ("detect-secrets TwilioKeyDetector", "AC{h32}"),
    ("gitleaks square-access-token", "sq0atp-{w22}"),
    ("gitleaks square-access-token", "EAAA{w60}"),
    ("gitleaks square-secret", "sq0csp-{w43}"),
    ("gitleaks mailgun-private-api-token", "key-{h32}"),
    ("gitleaks mailgun-pub-key", "pubkey-{h32}"),
    ("gitleaks new-relic-user-api-key", "NRAK-{n27}"),
    ("gitleaks new-relic-browser-api-token", "NRJS-{h19}"),
    ("gitleaks new-relic-insert-key", "NRII-{h32}"),
    ("gitleaks azure-ad-client-secret", "{n3}8Q~{n31}"),
    ("gitleaks github-pat", "ghp_{a36}"),
    ("gitleaks github-fine-grained-pat", "github_pat_{n22}_{n59}"),
    ("gitleaks github-app-token", "ghs_{n36}"),
    ("gitleaks gitlab-pat", "glpat-{n20}"),
    ("gitleaks gitlab-pat", "glpat-{a20}"),
    ("gitleaks gitlab-pat-routable", "glpat-{n27}.01{a7}"),
    ("gitleaks gitlab-cicd-job-token", "glcbt-64_{n20}"),
    ("gitleaks gitlab-ptt", "glptt-{h40}"),
    ("gitleaks gitlab-rrt", "GR1348941{w20}"),
    ("gitleaks gitlab-oauth-app-secret", "gloas-{n64}"),
    ("gitleaks slack-bot-token", "xoxb-{d12}-{d13}-{n24}"),
    ("gitleaks slack-user-token", "xoxp-{d11}-{d10}-{d11}-{h32}"),
    ("gitleaks slack-legacy-bot-token", "xoxb-{d8}-{n24}"),
    ("gitleaks slack-legacy-token", "xoxo-{d6}-{d6}-{d6}-{h18}"),
    ("gitleaks slack-legacy-workspace-token", "xoxa-2-{d9}-{d11}-{d13}-{h18}"),
    ("gitleaks slack-legacy-workspace-token", "xoxr-7{a11}"),
    ("gitleaks slack-config-access-token", "xoxe.xoxp-1-Mi0y{n160}"),
    ("gitleaks slack-config-refresh-token", "xoxe-1-My0x{n142}"),
    ("gitleaks slack-app-token", "xapp-1-A{d10}-{d13}-{h64}"),
    ("gitleaks slack-webhook-url", "https://hooks.slack.com/services/T{d8}/B{d8}/{n24}"),
    ("gitleaks stripe-access-token", "sk_live_{n30}"),
    ("gitleaks stripe-access-token", "rk_prod_{n99}"),
    ("gitleaks openai-api-key", "sk-proj-{w74}T3BlbkFJ{w74}"),
    ("gitleaks openai-api-key", "sk-{n20}T3BlbkFJ{n20}"),
    ("gitleaks anthropic-api-key", "sk-ant-api03-{w93}AA"),
    ("gitleaks anthropic-admin-api-key", "sk-ant-admin01-{w93}AA"),
    ("gitleaks gcp-api-key", "AIza{w35}"),
    ("gitleaks aws-access-token", "AKIAQ7{U14}"),
    ("gitleaks telegram-bot-api-token", "{d9}:A{w34}"),
    ("gitleaks jwt", "eyJ{n30}.eyJ{n60}.{w43}"),
    ("Discord API, webhooks", "https://discord.com/api/webhooks/{d18}/{w68}"),
    ("Docker Docs, access tokens", "dckr_pat_{w27}"),
    ("Docker Docs, access tokens", "dckr_oat_{n32}"),
    ("Azure Storage, shared access signatures", "sv=2022-11-02&sr=c&sig={n43}%3D"),
)
"""A rule, and the shape that it must find in every context."""

EXAMPLES = (
    Example("gitleaks mailgun-signing-key", "mailgun_webhook = '{h32}-00001111-22223333'", True),
    Example("gitleaks gitlab-session-cookie", "_gitlab_session={a32}", True),
    Example("gitleaks huggingface-access-token", "- (id)hf_requiredCharacteristicTypesForDisplayMetadata;", False),
    Example("gitleaks huggingface-access-token", "_kHMSymptomhf_generatedByHomeAppForDebuggingPurposesKey,", False),
    Example("gitleaks huggingface-access-token", "glob('HF_SimulationComputeServicesBuildTime.HF*.Linux64')", False),
    Example("gitleaks huggingface-access-token", "hf_" + "x" * 34, False, REPEATED),
    Example("gitleaks huggingface-organization-api-token", "api_org_controller = require('../controllers/api')", False),
    Example("detect-secrets SendGridDetector", "SG.{n22}..{n43}", False),
    Example("detect-secrets SendGridDetector", "AG.{n22}.{n43}", False),
    Example("detect-secrets DiscordBotTokenDetector", "P{n23}.{n6}.{n27}", False),
    Example("detect-secrets DiscordBotTokenDetector", "M{n23}.{n5}.{n27}", False),
    Example("detect-secrets DiscordBotTokenDetector", "M{n23}.{n6}.{n26}", False),
    Example("detect-secrets DiscordBotTokenDetector", "M{n23}.{n6}.{n12},{n14}", False),
    Example("gitleaks vault-service-token", "s.thisstringisalllowercase", False),
    Example("gitleaks vault-service-token", "s.THISSTRINGISALLUPPERCASE", False),
    Example("gitleaks vault-service-token", "s.makeKubeConfigController = args", False),
    Example("gitleaks vault-service-token", "o.s.b.f.s.DefaultListableBeanFactory : overriding", False),
    Example("gitleaks vault-service-token", "hvs." + "x" * 90, False, REPEATED),
    Example("gitleaks grafana-cloud-api-token", "void glc_CreateLightmapTextures(void); GLC_UploadLightmap(1)", False),
    Example("gitleaks grafana-cloud-api-token", "glc_" + "x" * 60, False, REPEATED),
    Example("gitleaks databricks-api-token", "x=dapi1234{h27}g5", False),
    Example("gitleaks square-access-token", "aws-cli@sha256:eaaa7b11{h56}", False),
    Example("gitleaks azure-ad-client-secret", "~" * 41, False),
    Example("gitleaks azure-ad-client-secret", "/6a9e~tplv-k3u1fbpfcp-watermark.image", False),
    Example("gitleaks azure-ad-client-secret", "{n12}0Q~PL{n20}~{n40}", False),
    Example("gitleaks azure-ad-client-secret", "abc8Q~" + "x" * 34, False, REPEATED),
    Example("gitleaks slack-bot-token", "xoxb-xxxxxxxxx-xxxxxxxxxx-xxxxxxxxxxxx", False),
    Example("gitleaks slack-bot-token", "xoxb-12345-abcd234", False),
    Example("gitleaks slack-bot-token", "xoxb-xoxb-my-bot-token", False),
    Example("gitleaks slack-user-token", '"xoxp-1234567890"', False),
    Example("gitleaks slack-user-token", "xoxp-1234-1234-1234-{h32}", False),
    Example("gitleaks slack-config-access-token", "xoxe.xoxp-1-SlackAppConfigurationAccessTokenHere", False),
    Example("gitleaks slack-config-refresh-token", "XOxE-RROAmw, Home and Garden, 5:24, 20120323", False),
    Example("gitleaks slack-legacy-workspace-token", "https://example.org/xoxa-nyc/xoxa-nyc.html", False),
    Example("gitleaks slack-legacy-token", "https://example.org/2018-250-xoxo-web-1.jpg", False),
    Example("gitleaks slack-legacy-token", "EXO-XOXO-teaser-exo-k-34521098-720-516.jpg", False),
    Example("gitleaks gitlab-pat", "glpat-XXXXXXXXXXX-XXXXXXXX", False),
    Example("gitleaks gitlab-pat-routable", "glpat-xxxxxxxx-xxxxxxxxxxxxxxxxxx.xxxxxxxxx", False),
    Example("gitleaks gitlab-rrt", "GR134894112312312312312312312", False, REPEATED),
    Example("detect-secrets GitLabTokenDetector", "glimt-my-words_are-many-AB38", True, WORDS),
    Example("detect-secrets GitLabTokenDetector", "glsoat-PREfix_words380_long", True),
    Example("detect-secrets GitLabTokenDetector", "glptt-{h30}", False, SHORT),
    Example("gitleaks gcp-api-key", "AIza{w30}", False),
    Example("detect-secrets NpmDetector", "//npm.example.org/:_authToken={h8}-cd03-11ec-9d64-{h12}", True),
    Example("detect-secrets NpmDetector", "//npm.example.org/:_authToken= {h8}-cd03-11ec-9d64-{h12}", True),
    Example("detect-secrets NpmDetector", "//npm.example.org/:_authToken=npm_xxxxxxxxxxx", True),
    Example("detect-secrets NpmDetector", "_authToken={h8}-cd03-11ec-9d64-{h12}", False, BY_NAME),
    Example("detect-secrets NpmDetector", "foo", False),
    Example("detect-secrets AzureStorageKeyDetector", "AccountKey={b86}==", True),
    Example("detect-secrets SquareOAuthDetector", "square_oauth = sq0csp-{w43}", True),
    Example("detect-secrets BasicAuthDetector", "https://username:{a12}@example.org", True),
    Example("detect-secrets BasicAuthDetector", "http://localhost:5000/<%= @variable %>", False),
    Example("detect-secrets BasicAuthDetector", '"https://url:8000";@something else', False),
    Example("detect-secrets BasicAuthDetector", "https://url:8000 @something else", False),
    Example("detect-secrets BasicAuthDetector", "https://url:8000/ @something else", False),
    Example("detect-secrets JwtTokenDetector", "eyJ{n33}", False, SHORT),
    Example("detect-secrets KeywordDetector", "password = 'words and blanks'", True),
    Example("detect-secrets KeywordDetector", "apikey = m{{h}}o)p${{e]nob(ody>-_$#this}}", True),
    Example("detect-secrets KeywordDetector", "api_key: 'words and blanks'", True),
    Example("detect-secrets KeywordDetector", "aws_secret_access_key: words", True),
    Example("detect-secrets KeywordDetector", "db_pass := {a12}", True),
    Example("detect-secrets KeywordDetector", "key_pass: {a12}", True),
    Example("detect-secrets KeywordDetector", "passwd = {a12}`", True),
    Example("detect-secrets KeywordDetector", 'private_key: "{a12}"', True),
    Example("detect-secrets KeywordDetector", 'priv_key: "{a12}"', True),
    Example("detect-secrets KeywordDetector", 'auth_key: "{a12}"', True),
    Example("detect-secrets KeywordDetector", 'service_key: "{a12}"', True),
    Example("detect-secrets KeywordDetector", 'db_key: "{a12}"', True),
    Example("detect-secrets KeywordDetector", 'client_key: "{a12}"', True),
    Example("detect-secrets KeywordDetector", 'contraseña: "{a12}"', True),
    Example("detect-secrets KeywordDetector", 'contrasena = "{a12}"', True),
    Example("detect-secrets KeywordDetector", 'if (apikey == "{a12}") {{', True),
    Example("detect-secrets KeywordDetector", 'if (api_key != "{a12}") {{', True),
    Example("detect-secrets KeywordDetector", 'if (aws_secret_access_key === "{a12}") {{', True),
    Example("detect-secrets KeywordDetector", 'if (db_pass !== "{a12}") {{', True),
    Example("detect-secrets KeywordDetector", 'if ("{a12}" == password) {{', True, BACKWARDS),
    Example("detect-secrets KeywordDetector", 'password_super_secure = "{a12}"', True, SUFFIX),
    Example("detect-secrets KeywordDetector", 'api_key = ""', False),
    Example("detect-secrets KeywordDetector", "secret: ''", False),
    Example("detect-secrets KeywordDetector", 'some_key = "a_true_one"', False),
    Example("detect-secrets KeywordDetector", "password => ''", False),
    Example("detect-secrets KeywordDetector", "password: ${{link}}", False, PHRASE),
    Example("detect-secrets KeywordDetector", 'password = "somefakekey"', False, PHRASE),
)
"""Single texts with the verdict of their own program."""


def filled(template: str) -> str:
    """Return a text with its random parts filled in, the same in every run."""
    source = random.Random(template)

    def part(match: re.Match[str]) -> str:
        text = "".join(source.choices(ALPHABETS[match[1]], k=int(match[2])))
        # a digit and both cases where the alphabet has them: a random text of this length has, all but always
        wanted = [char for char in "7xQ" if char in ALPHABETS[match[1]]]
        return "".join(wanted) + text[len(wanted) :] if len(text) > 3 else text

    text = re.sub(r"\{([naLUwbhd])([0-9]{1,3})\}", part, template)
    return text.replace("{{", "{").replace("}}", "}")
