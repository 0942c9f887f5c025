"""What every head of a model does over a corpus of texts."""

from viz.models.work_control import WorkControl
from viz.survey.changed_heads import changed_heads
from viz.survey.loaded_survey import Survey, load_survey
from viz.survey.run_survey import run_survey
from viz.survey.similar_heads import similar_heads
from viz.survey.survey_card import SurveyCard, SurveySettings
from viz.survey.survey_progress import SurveyMoment
from viz.survey.texts.corpus import Corpus, open_corpus

__all__ = [
    "Corpus",
    "Survey",
    "SurveyCard",
    "SurveyMoment",
    "SurveySettings",
    "WorkControl",
    "changed_heads",
    "load_survey",
    "open_corpus",
    "run_survey",
    "similar_heads",
]
