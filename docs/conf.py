"""The site, built from the pages of this folder and the docstrings: ``make docs``."""

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_site"), str(HERE.parent)]
# What libraries say of each other while docstrings are read is nobody's fault here.
warnings.simplefilter("ignore")

project = "rlframework"
author = "the authors of rlframework"
project_copyright = "the authors of rlframework, Apache-2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "names",
    "reference",
    "links",
]
root_doc = "index"
exclude_patterns = ["_site", "_build"]

# Anchors of headings as a code host makes them: the same links work on both.
myst_heading_anchors = 4
# A block without a language is a command, a drawing or an equation.
highlight_language = "text"

# A name in single backticks is one of the project, and there has to be one (`_site/names.py`).
default_role = "name"
nitpicky = True

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
python_display_short_literal_types = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
add_module_names = False
toc_object_entries_show_parents = "hide"

# Their lists of names are on their sites, and a build reads them only where it is told to: it works without a network.
if os.environ.get("RLFRAMEWORK_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "pytorch_lightning": ("https://lightning.ai/docs/pytorch/stable", None),
        "transformers": ("https://huggingface.co/docs/transformers/main/en", None),
        "peft": ("https://huggingface.co/docs/peft/main/en", None),
        "datasets": ("https://huggingface.co/docs/datasets/main/en", None),
    }

html_theme = "furo"
html_title = "rlframework"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
html_copy_source = False
html_show_sphinx = False
templates_path = ["_site/templates"]
