"""Which test covers which method of the official client, and which mode and flag of its command line."""

METHODS: dict[str, str] = {}
COMMANDS: dict[str, str] = {}


def covers(*methods: str):
    """The test calls these methods of `PassworkClient` and looks at what they do."""

    def mark(test):
        METHODS.update(dict.fromkeys(methods, test.__name__))
        return test

    return mark


def covers_command(command: str, *flags: str):
    """The test runs this command of `passwork-cli` with these flags."""

    def mark(test):
        COMMANDS.update({f"{command} {flag}".strip(): test.__name__ for flag in ("", *flags)})
        return test

    return mark
