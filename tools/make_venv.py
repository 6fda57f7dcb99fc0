"""Make the virtual environment and install pinned packages; says in a sentence what is missing.

Runs with whatever Python there is, so it keeps to syntax that an old one can read.
"""

import os
import subprocess
import sys

NEEDED = (3, 11)


def main():
    if len(sys.argv) != 3:
        fail("usage: make_venv.py FOLDER REQUIREMENTS")
    folder, requirements = sys.argv[1:]
    if sys.version_info < NEEDED:
        fail(
            "Python %d.%d or later is needed; this is %s (%s). "
            "Install a newer one and say which: make up PYTHON=python3.11"
            % (NEEDED[0], NEEDED[1], sys.version.split()[0], sys.executable)
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        fail(
            "This Python has no venv module. On Debian and Ubuntu: apt install python3-venv; "
            "elsewhere install Python from python.org. Then run the same command again."
        )
    python = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
    if not os.path.exists(python):
        say("making a virtual environment in %s" % folder)
        run([sys.executable, "-m", "venv", folder], "The virtual environment could not be made in %s." % folder)
    say("installing %s (a minute or two the first time)" % requirements)
    run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
        "The packages could not be installed. Check the network and the free disk space, then run it again.",
    )


def run(command, sentence):
    try:
        code = subprocess.call(command)
    except OSError as error:
        fail("%s (%s)" % (sentence, error))
    if code != 0:
        fail(sentence)


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def fail(text):
    sys.stderr.write(text + "\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
