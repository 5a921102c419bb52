"""What the embedded base is made of: true facts in many phrasings, a seeded mixture, nothing that evaluation asks."""

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from trainers.embedded_base import exports, tokenizer
from trainers.embedded_base.document import CONTROL_TOKENS, chat, plain, reserved
from trainers.embedded_base.facts import all_facts, load, multiple_choice, options_for
from trainers.embedded_base.mixture import documents
from trainers.embedded_base.skills import DEMO_KEYS, SKILLS

ROOT = Path(__file__).parents[2]
POSTINGS = (
    "suites/data/job_postings.test.jsonl",
    "trainers/data/job_postings.train.jsonl",
    "trainers/data/job_postings.valid.jsonl",
)
