"""The names of what is made up: people, projects, machines, and where calls come from."""

from typing import Final

ORGANIZATION: Final = "Meridian Freight"
OWNER: Final = "mira@meridian.example"
OWNER_NAME: Final = "Mira Lindqvist"
DOMAIN: Final = "meridian.example"
ZONE: Final = "Europe/Berlin"

GIVEN: Final = (
    *("Ada", "Amir", "Anja", "Ben", "Carla", "Chidi", "Dalia", "Emil", "Farah", "Goran", "Hana", "Ines", "Jonas"),
    *("Kofi", "Lena", "Luca", "Maren", "Mateo", "Nadia", "Noor", "Olga", "Pavel", "Priya", "Quentin", "Rosa", "Sami"),
    *("Tara", "Theo", "Uma", "Vera", "Wim", "Xenia", "Yara", "Yusuf", "Zoe"),
)
FAMILY: Final = (
    *("Adeyemi", "Alvarez", "Bauer", "Becker", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ivanov"),
    *("Jansen", "Kaya", "Keller", "Larsen", "Mensah", "Moreau", "Nakamura", "Novak", "Okafor", "Patel", "Quist"),
    *("Rossi", "Santos", "Schmidt", "Tanaka", "Ueda", "Vogel", "Weber", "Xu", "Yilmaz", "Zimmer"),
)
PROJECTS: Final = (
    *("Customer support", "Search", "Data platform", "Mobile app", "Internal tools", "Research", "Pricing", "Fraud"),
    *("Translations", "Recruiting", "Finance", "Customs", "Fleet", "Warehouse", "Forecasting", "Marketing", "Legal"),
    *("Partner portal", "Invoices", "Security", "Training", "Analytics", "Route planning", "Voice line"),
)
GROUPS: Final = (("On call", "viewer"), ("Platform team", "member"))
"""Groups, and the role that each has in some projects."""

MACHINES: Final = (
    *("indexer", "ticket-triage", "nightly-report", "summarizer", "chat-widget", "ocr-cleanup", "router", "enricher"),
    *("classifier", "mail-drafts", "backfill", "evaluator"),
)
PURPOSES: Final = (
    *("laptop", "notebook", "staging", "CI", "prototype", "evals", "batch job", "Slack bot", "VS Code", "dashboard"),
    *("load test", "demo", "scratch", "agent", "importer"),
)
AGENTS: Final = (
    *("OpenAI/Python 2.8.1", "OpenAI/Python 1.99.9", "AsyncOpenAI/Python 2.8.1", "OpenAI/JS 6.9.1", "openai-go/3.8.1"),
    *("curl/8.14.1", "langchain-openai/1.0.3"),
)
