"""The auditor: Prowler, an open-source tool that nobody here has written, with its rules for HIPAA.

It lives in an environment of its own (`.venv-audit`), for it brings more than a hundred packages of other clouds, with
versions that it pins. It asks AWS by boto3, and so the lab: AWS_ENDPOINT_URL is all that it is told.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).parents[2]
ENVIRONMENT = HOUSE / ".venv-audit"
#: Everything that the auditor consists of, so that each audit is by the same one; without looking for other versions,
#: which takes pip ten minutes.
PINNED = Path(__file__).with_name("requirements.txt")
FRAMEWORK = "hipaa_aws"


@dataclass(frozen=True)
class Finding:
    """One answer of one check about one resource; `status` is PASS, FAIL or MANUAL."""

    check: str
    resource: str
    status: str
    says: str


def ready(pinned: Path = PINNED, environment: Path = ENVIRONMENT) -> Path:
    """The auditor's command, installed where it is not there yet in the version that is pinned."""
    done, wanted = environment / "installed", pinned.read_text(encoding="utf-8")
    if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(environment, ignore_errors=True)
        venv.create(environment, with_pip=True)
        sys.stderr.write(f"installing the auditor into {environment.name}: a few minutes and two gigabytes\n")
        subprocess.run([environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--requirement", pinned], check=True)
        done.write_text(wanted, encoding="utf-8")
    return environment / "bin/prowler"


def audited(command: Path, endpoint: str, regions: Sequence[str], folder: Path) -> list[Finding]:
    """Everything that the auditor says of what stands behind `endpoint`; CalledProcessError when it breaks off.

    It asks three times for what the lab does not know; on a busy machine it needs that for what the lab knows.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON"))}
    asked = {**kept, "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any",
             "AWS_DEFAULT_REGION": regions[0], "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder)}
    told = folder / "auditor.txt"
    with told.open("w") as out:
        subprocess.run([command, "aws", "--compliance", FRAMEWORK, "--region", *regions, "--no-banner", "--no-color",
                        "--ignore-exit-code-3", "--output-formats", "json-ocsf", "--output-directory", folder,
                        "--output-filename", "audit", "--log-level", "CRITICAL"],
                       env=asked, stdout=out, stderr=subprocess.STDOUT, check=True, cwd=folder)
    return findings(folder / "audit.ocsf.json")


def findings(report: Path) -> list[Finding]:
    """The answers in a report that is written as the Open Cybersecurity Schema Framework says."""
    return [Finding(one["metadata"]["event_code"], one["resources"][0]["uid"], one["status_code"], one["status_detail"])
            for one in json.loads(report.read_text(encoding="utf-8"))]
