"""Language models as planners: any OpenAI-compatible endpoint, and Amazon Bedrock.

    task = describe(world, state, policy, "refund order o1 in full")
    verify = verifier(world, state, policy, budget)
    proposed = plan_with_repairs(OpenAIModel("gpt-oss-20b"), task, verify, Meter(budget))

The model sees text and answers with text; what comes of it is a `Proposed`: a plan that was approved, or why not.
"""

from .bedrock import BedrockModel
from .model import Message, Model, Reply, Usage
from .openai import OpenAIModel
from .planner import plan_with_repairs, verifier
from .prompt import Task, describe, prompt
from .spend import Price

__all__ = [
    "BedrockModel",
    "Message",
    "Model",
    "OpenAIModel",
    "Price",
    "Reply",
    "Task",
    "Usage",
    "describe",
    "plan_with_repairs",
    "prompt",
    "verifier",
]
