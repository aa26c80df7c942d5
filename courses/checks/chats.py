"""Predicates over the student's conversations."""

from __future__ import annotations

from collections import defaultdict

from chat.models import Answerer, ChatSession, Message, Reply, Vote
from courses.checks.examples import pairs_of
from courses.checks.findings import Finding, Proof, failed, passed
from courses.checks.params import ChatCorrected, ChatPairs, ChatVotes
from courses.checks.situation import Situation
from datasets_app.intake.quality import normalised

MOST_ROWS = 500


def chat_pairs(situation: Situation, wanted: ChatPairs) -> Finding:
    """Different questions that an own tuned model and its own base model both answered, in the same way."""
    questions: dict[str, Proof] = {}
    for message in _messages(situation):
        replies = [reply for reply in message.replies.all() if _is_done(reply)]
        tuned = [reply for reply in replies if _is_own(situation, reply)]
        for reply in tuned:
            partner = _base_beside(reply, replies)
            question = normalised(message.text)
            if partner is not None and question and question not in questions:
                facts = {"job": str(reply.answerer.job_id), "base_reply": str(partner.pk)}
                questions[question] = Proof("reply", str(reply.pk), facts=facts)
    if len(questions) < wanted.min:
        return failed(
            "chat_few_pairs", observed={"pairs": len(questions)}, wanted={"pairs": wanted.min}
        )
    return passed(*questions.values(), pairs=len(questions))


def chat_votes(situation: Situation, wanted: ChatVotes) -> Finding:
    """Votes on different questions, of which an own tuned model answered each."""
    votes = Vote.objects.filter(
        message__session__owner=situation.user, created_at__gte=situation.began_at
    ).select_related("message")
    if wanted.blind:
        votes = votes.filter(was_blind=True)
    own_job_ids = [job.pk for job in situation.completed_jobs]
    votes = votes.filter(
        message__replies__answerer__job_id__in=own_job_ids,
        message__replies__status=Reply.Status.COMPLETED,
    ).distinct()
    by_question: dict[str, Proof] = {}
    for vote in votes.order_by("created_at")[:MOST_ROWS]:
        facts = {"verdict": vote.verdict, "blind": vote.was_blind}
        by_question.setdefault(
            normalised(vote.message.text), Proof("vote", str(vote.pk), facts=facts)
        )
    if len(by_question) < wanted.min:
        return failed(
            "chat_few_votes",
            observed={"votes": len(by_question), "blind": wanted.blind},
            wanted={"votes": wanted.min, "blind": wanted.blind},
        )
    return passed(*by_question.values(), votes=len(by_question))


def chat_corrected(situation: Situation, wanted: ChatCorrected) -> Finding:
    """An answer that an own model gave was corrected, and the correction stands in an own dataset."""
    replies = Reply.objects.filter(
        message__session__owner=situation.user,
        created_at__gte=situation.began_at,
        answerer__job_id__in=[job.pk for job in situation.completed_jobs],
    ).exclude(corrected_text="")
    corrected = list(replies.select_related("message").order_by("-created_at")[:MOST_ROWS])
    if not corrected:
        return failed("chat_not_corrected")
    answers = defaultdict(list)
    for version in situation.versions:
        for question, answer in pairs_of(version):
            answers[answer].append((question, version))
    for reply in corrected:
        said = normalised(reply.corrected_text)
        if said == normalised(reply.text):
            continue
        for question, version in answers.get(said, ()):
            if normalised(reply.message.text) in question:
                facts = {"dataset": str(version.dataset_id)}
                return passed(Proof("reply", str(reply.pk), version.digest, facts))
    return failed("correction_not_added", observed={"corrected": len(corrected)})


def _messages(situation: Situation) -> list[Message]:
    sessions = ChatSession.objects.filter(owner=situation.user, kind=ChatSession.Kind.CHAT)
    messages = Message.objects.filter(session__in=sessions, created_at__gte=situation.began_at)
    related = ("replies__answerer__job",)
    return list(messages.prefetch_related(*related).order_by("created_at")[:MOST_ROWS])


def _is_done(reply: Reply) -> bool:
    """An empty answer is one too: a model that learned much from little may stop at once."""
    return reply.status == Reply.Status.COMPLETED


def _is_own(situation: Situation, reply: Reply) -> bool:
    job = reply.answerer.job
    return job is not None and job.owner_id == situation.user.pk


def _base_beside(tuned: Reply, replies: list[Reply]) -> Reply | None:
    """The untouched model's reply to the same message, drawn with the same settings."""
    for reply in replies:
        answerer = reply.answerer
        if (
            answerer.kind == Answerer.Kind.BASE
            and answerer.base_model_id == tuned.answerer.base_model_id
            and reply.sampling == tuned.sampling
        ):
            return reply
    return None
