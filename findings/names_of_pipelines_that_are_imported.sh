#!/usr/bin/env bash
# Guess, from memory: `spacy.util.get_installed_models()` lists the names of installed pipelines and loads none of them, as
# listing the packages of an environment does.
#
# Seen (spacy 3.8.18): it imports every one of them, and what their packages import in turn. One that needs a package
# which is not there makes the list itself fail. The pipeline here is a blank one, packaged by spaCy's own command.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet spacy==3.8.18 setuptools==80.9.0 wheel==0.45.1

cat > "$work/make.py" <<'PYTHON'
import sys
import spacy

pipeline = spacy.blank("en")
pipeline.add_pipe("sentencizer")
pipeline.meta["name"] = "blank_sentences"
pipeline.to_disk(sys.argv[1])
PYTHON
"$work/venv/bin/python" "$work/make.py" "$work/pipeline"
mkdir "$work/packages"
"$work/venv/bin/python" -m spacy package "$work/pipeline" "$work/packages" --build none > "$work/package.log" 2>&1
"$work/venv/bin/pip" install --quiet --no-deps --no-build-isolation "$work"/packages/*

cat > "$work/see.py" <<'PYTHON'
import sys
import spacy

NAME = "en_blank_sentences"
print("spacy", spacy.__version__)
before = NAME in sys.modules
names = spacy.util.get_installed_models()
after = NAME in sys.modules
print("names:", names)
print(f"{NAME} imported before the names were asked for: {before}, after: {after}")
sys.exit(0 if names == [NAME] and not before and after else 1)
PYTHON
"$work/venv/bin/python" "$work/see.py"

# Let the package need something that is not there: the list itself fails then.
site=$("$work/venv/bin/python" -c "import sysconfig; print(sysconfig.get_paths()['purelib'])")
sed -i '1i import a_module_that_is_not_installed' "$site/en_blank_sentences/__init__.py"
cat > "$work/fails.py" <<'PYTHON'
import sys
import spacy

try:
    print("names:", spacy.util.get_installed_models())
except ModuleNotFoundError as error:
    print("asking for names raises ModuleNotFoundError:", error)
    sys.exit(0)
sys.exit(1)
PYTHON
"$work/venv/bin/python" "$work/fails.py"
