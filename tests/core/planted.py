"""Planted secrets, in every published shape that a detector knows.

Each is put together from pieces, so that no scanner takes this file for a leak. The core of a shape is letters and
digits alone, so that no encoding of JSON, HTML or a shell hides it from a search.
"""

DASHES = "-" * 5
LETTERS = "Ab3" * 12
CORE = "Zq7Xw9Kd2Lm4Np6Rt8Vb3Yc5Hj1Gf0Ss2Ee4Uu6"
"""39 letters and digits that stand nowhere else."""

WORD = "hunter2hunter2"

HEX = "0a1b2c3d4e5f6789"
"""16 hexadecimal digits."""


def iban(country: str, rest: str) -> str:
    """Return an account number with the check digits that fit it (ISO 7064, MOD 97-10)."""
    digits = "".join(str(int(char, 36)) for char in f"{rest}{country}00")
    return f"{country}{98 - int(digits) % 97:02}{rest}"


EXAMPLES = {
    "private-key": f"{DASHES}BEGIN RSA PRIVATE KEY{DASHES}\nMII-{LETTERS}\n{DASHES}END RSA PRIVATE KEY{DASHES}",
    "aws-key-id": "AK" + "IA" + "QWERTYUIOP012345",
    "github-token": "gh" + "p_" + LETTERS,
    "gitlab-token": "gl" + "pat-" + LETTERS,
    "slack-token": "xo" + "xb-1234567890-" + LETTERS,
    "slack-legacy-token": "xo" + "xa-" + LETTERS,
    "slack-app-token": "xa" + "pp-1-A0123-" + LETTERS,
    "slack-webhook": "hooks.sl" + f"ack.com/services/T0001/B0001/{LETTERS}",
    "stripe-key": "sk" + "_live_" + LETTERS,
    "api-key": "sk" + "-proj-" + LETTERS,
    "google-key": "AI" + "za" + LETTERS,
    "npm-token": "np" + "m_" + LETTERS,
    "pypi-token": "py" + "pi-AgEIcHlwaS5vcmc" + LETTERS * 2,
    "huggingface-token": "hf" + "_" + LETTERS[:34],
    "sendgrid-key": "S" + "G." + CORE[:22] + "." + (CORE * 2)[:43],
    "discord-token": "M" + CORE[:23] + "." + "aB3xY9" + "." + LETTERS[:27],
    "discord-webhook": "discord" + ".com/api/webhooks/" + "123456789012345678/" + CORE + CORE,
    "netrc": "machine api.example login trader " + "pass" + "word hunter2",
    "vault-token": "hv" + "s." + LETTERS * 3,
    "grafana-token": "gl" + "sa_" + LETTERS[:32] + "_" + HEX[:8],
    "digitalocean-token": "do" + "p_v1_" + HEX * 4,
    "shopify-token": "sh" + "pat_" + HEX * 2,
    "docker-token": "dc" + "kr_pat_" + LETTERS[:27],
    "databricks-token": "da" + "pi" + HEX * 2,
    "twilio-key": "S" + "K" + HEX * 2,
    "square-token": "sq" + "0atp-" + LETTERS[:22],
    "mailgun-key": "ke" + "y-" + HEX * 2,
    "mailgun-signature": "mail" + "gun: " + HEX * 2 + "-00001111-22223333",
    "new-relic-key": "NR" + "AK-" + LETTERS[:27].upper(),
    "azure-secret": "si" + "g=" + LETTERS + "abc%2Fdef" + "%3D",
    "telegram-token": "110201543" + ":A" + LETTERS[:34],
    "json-web-token": ".".join(("ey" + "J" + LETTERS, "ey" + "J" + LETTERS, LETTERS)),
    "iban": iban("DE", "370400440532013000"),
    "bearer": "Bea" + "rer " + LETTERS,
    "connection-string": "postgres" + "://trader:" + "hunter2" + "@db.example/prod",
    "cookie": "Coo" + "kie: sid=hunter2hunter2",
    "command-line": "--pass" + "word hunter2hunter2",
    "assignment": "api" + "_key=" + "hunter2hunter2",
}
"""One secret for each detector."""


def pem(kind: str, dashes: str = DASHES, block: str = "") -> str:
    """Return a private key in its armour."""
    return (
        f"{dashes}BEGIN {kind}PRIVATE KEY{block}{dashes}\n{CORE}\n{CORE}\n{dashes}END {kind}PRIVATE KEY{block}{dashes}"
    )


P, S, A = "pass" + "word", "sec" + "ret", "api" + "_key"

SHAPES: dict[str, tuple[str, str]] = {
    "AWS key id": ("AK" + "IA" + "QWERTYUIOP012345", "QWERTYUIOP012345"),
    "AWS temporary key id": ("AS" + "IA" + "QWERTYUIOP012345", "QWERTYUIOP012345"),
    "AWS secret key": ("aws_" + S + f"_access_key = {CORE}x", CORE),
    "AWS pair": ("AK" + f"IAQWERTYUIOP012345,{CORE}x", CORE),
    "GitHub token": ("gh" + f"p_{CORE}", CORE),
    "GitHub fine-grained token": ("github" + f"_pat_{CORE}_{CORE}", CORE),
    "GitLab token": ("gl" + f"pat-{CORE[:20]}", CORE[:20]),
    "Slack bot token": ("xo" + f"xb-123456789012-1234567890123-{CORE}", CORE),
    "Slack app token": ("xa" + f"pp-1-A0123-{CORE}", CORE),
    "Slack webhook": ("https://hooks.sl" + f"ack.com/services/T0001/B0001/{CORE}", CORE),
    "Stripe key": ("sk" + f"_live_{CORE}", CORE),
    "Stripe webhook": ("wh" + f"sec_{CORE}", CORE),
    "OpenAI key": ("sk" + f"-{CORE}", CORE),
    "OpenAI project key": ("sk" + f"-proj-{CORE}", CORE),
    "Anthropic key": ("sk" + f"-ant-api03-{CORE}", CORE),
    "Google API key": ("AI" + f"za{CORE[:35]}", CORE[:35]),
    "Google client": ("GOC" + f"SPX-{CORE[:28]}", CORE[:28]),
    "Telegram bot": (f"110201543:A{CORE[:34]}", CORE[:34]),
    "Telegram URL": (f"https://api.telegram.org/bot110201543:A{CORE[:34]}/getMe", CORE[:34]),
    "JSON web token": (f"ey{'J'}hbGciOiJIUzI1NiJ9.ey{'J'}zdWIiOiIxIn0abc.{CORE}", CORE),
    "JSON web encryption": (f"ey{'J'}hbGciOiJSU0EtT0FFUCJ9.{CORE}.{CORE}.{CORE}.{CORE}", CORE),
    "bearer header": (f"Authorization: Bea{'r'}er {CORE}", CORE),
    "bearer": (f"bea{'r'}er {CORE}", CORE),
    "basic header": (f"Authorization: Ba{'s'}ic hunter", "hunter"),
    "basic header in a mapping": (f"{{'authorization': 'Ba{'s'}ic {CORE}'}}", CORE),
    "basic": (f"basic {CORE}==", CORE),
    "key header": (f"X-MBX-API{'K'}EY: {CORE}", CORE),
    "PEM key": (pem(""), CORE),
    "RSA key": (pem("RSA "), CORE),
    "EC key in one line": (pem("EC ").replace("\n", "\\n"), CORE),
    "OpenSSH key": (pem("OPENSSH "), CORE),
    "PGP key": (pem("PGP ", block=" BLOCK"), CORE),
    "SSH2 key": (pem("SSH2 ENCRYPTED ", "---- ").replace("KEY---- ", "KEY ----"), CORE),
    "PostgreSQL": (f"postgres{':'}//user:{WORD}@host:5432/db", WORD),
    "Redis without a user": (f"redis{':'}//:{WORD}@host", WORD),
    "MongoDB": (f"mongodb+srv{':'}//u:{WORD}/x@cluster.example/?w=majority", WORD),
    "URL with userinfo": (f"https{':'}//user:{WORD}@example.org/path", WORD),
    "URL with a token": (f"https{':'}//{CORE}@o1.example.org/2", CORE),
    "mysql": (f"user:{WORD}@tcp(127.0.0.1:3306)/db", WORD),
    "JDBC": (f"jdbc:postgresql://host/db?user=u&{P}={WORD}", WORD),
    "Oracle": (f"jdbc:oracle:thin:scott/{WORD}@host:1521/x", WORD),
    "ODBC": (f"Driver=x;Server=y;Uid=u;Pw{'d'}={WORD};", WORD),
    "query": (f"GET /x?symbol=A&access_tok{'e'}n={CORE}&limit=5", CORE),
    "netrc": (f"machine api.example login trader {P} {WORD}", WORD),
    "netrc in lines": (f"machine api.example\n  login trader\n  {P} {WORD}", WORD),
    "command line flag": (f"--{P} {WORD}", WORD),
    "command line user": (f"curl -u trader:{WORD} x", WORD),
    "equals": (f"{P}={WORD}", WORD),
    "colon": (f"{P}: {WORD}", WORD),
    "capitals": (f"DB_{P.upper()} = {WORD}", WORD),
    "camel case": (f"client{S.title()}={WORD}", WORD),
    "walrus": (f"{P} := {WORD}", WORD),
    "arrow": (f"'{P}' => '{WORD}'", WORD),
    "two words": (f"api {'k'}ey: {WORD}", WORD),
    "comma inside": (f"{P}=a,b;c&{WORD}", WORD),
    "JSON": (f'{{"user": "u", "{P}": "{WORD}", "x": 1}}', WORD),
    "JSON in JSON": (f'{{\\"{P}\\": \\"{WORD}\\"}}', WORD),
    "JSON with quotes": (f'{{"{P}": "a\\"{WORD}"}}', WORD),
    "JSON list": (f'"{P}s": ["abc", "{WORD}"]', WORD),
    "YAML": (f"user: u\n{P}: {WORD}\n", WORD),
    "YAML block": (f"{P}: |\n  {WORD}\n", WORD),
    "YAML list": (f"{P}s:\n  - {WORD}\n", WORD),
    "Python": (f"config['{P}'] = '{WORD}'", WORD),
    "XML": (f"<{P}>{WORD}</{P}>", WORD),
    "dotenv": (f"export EXCHANGE_API_{S.upper()}={WORD}", WORD),
    "exchange key": (f"{A}={CORE}", CORE),
    "exchange pass phrase": (f"{'pass'}phrase: correct {WORD} battery", WORD),
    "mnemonic": (f"mnemonic: abandon ability {WORD} able", WORD),
    "token with a digit": (f"token: {CORE}", CORE),
    "npm token": ("np" + f"m_{CORE}", CORE),
    "npm token of .npmrc": (f"//npm.example.org/:_authTok{'e'}n={CORE}", CORE),
    "PyPI token": ("py" + f"pi-AgEIcHlwaS5vcmc{CORE}{CORE}", CORE),
    "Hugging Face token": ("h" + f"f_{CORE[:34]}", CORE[:34]),
    "SendGrid key": ("S" + f"G.{LETTERS[:22]}.{CORE}abcd", CORE),
    "Discord webhook": ("https://discord" + f"app.com/api/v10/webhooks/123456789012345678/{CORE}{CORE}", CORE),
    "Discord bot token": ("M" + f"TE2{LETTERS[:20]}.aB3xY9.{CORE[:27]}", CORE[:27]),
    "GitLab runner token": ("GR" + f"1348941{CORE[:20]}", CORE[:20]),
    "Anthropic admin key": ("sk" + f"-ant-admin01-abc123-{CORE}", CORE),
    "OpenRouter key": ("sk" + f"-or-v1-{HEX * 4}", HEX),
    "Vault token": ("hv" + f"s.{CORE}{CORE}{CORE}", CORE),
    "Vault legacy token": (f"token: s{'.'}{CORE[:24]}", CORE[:24]),
    "Grafana token": ("gl" + f"sa_{CORE[:32]}_{HEX[:8]}", CORE[:32]),
    "Grafana cloud token": ("gl" + f"c_{CORE}==", CORE),
    "DigitalOcean token": ("do" + f"p_v1_{HEX * 4}", HEX),
    "Shopify token": ("sh" + f"pss_{HEX * 2}", HEX),
    "Docker token": ("dc" + f"kr_pat_{CORE[:27]}", CORE[:27]),
    "Databricks token": ("da" + f"pi{HEX * 2}-2", HEX),
    "Twilio key": ("S" + f"K{HEX * 2}", HEX),
    "Square token": ("sq" + f"0csp-{CORE}abcd", CORE),
    "Mailgun key": ("ke" + f"y-{HEX * 2}", HEX),
    "New Relic key": ("NR" + f"AK-{CORE[:27].upper()}", CORE[:27].upper()),
    "Azure shared access signature": (
        f"https://a.blob.core.windows.net/c?sv=2022-11-02&se=2026-01-01&si{'g'}={CORE}%2Bb0%3D",
        CORE,
    ),
    "Azure client secret": (f"abc8Q{'~'}{CORE[:31]}", CORE[:31]),
    "IBAN": (iban("DE", "370400440532013000"), "370400440532013000"),
    "IBAN in groups": ("GB82 WEST 1234 5698 7654 32", "1234 5698 7654"),
    "cookie header": (f"Coo{'k'}ie: theme=dark; sid={CORE}; a=b", CORE),
    "set cookie": (f"Set-Coo{'k'}ie: sid={CORE}; HttpOnly", CORE),
    "cookies of a session": (f"coo{'k'}ies={{'sessionid': '{CORE}'}}", CORE),
    "session cookie": (f"JSESSION{'I'}D={CORE}", CORE),
    "short name pass": (f"pa{'s'}s={WORD}", WORD),
    "pass in JSON": (f'{{"pa{"s"}s": "{WORD}"}}', WORD),
    "short name pw": (f"p{'w'}={WORD}", WORD),
    "German": (f"pass{'w'}ort={WORD}", WORD),
    "German too": (f"Kenn{'w'}ort: {WORD}", WORD),
    "Spanish": (f"contrase{'ñ'}a: {WORD}", WORD),
    "HMAC key": (f"hmac{'_'}key={WORD}", WORD),
    "credentials": (f"creden{'t'}ials={WORD}", WORD),
    "ODBC that begins with a slash": (f"Uid=u;PW{'D'}=/{WORD};", WORD),
    "comparison": (f'if {P} != "{WORD}":', WORD),
}
"""By name, a text that holds a secret, and the core of the secret that must remain nowhere."""
