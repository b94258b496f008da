"""A provider of language models that misbehaves when told to: an HTTP server in a process of its own.

It speaks four wire formats (OpenAI chat completions and responses, Anthropic messages, Gemini generateContent), answers
by script, and keeps a log and a bill that tests take as the truth.
"""
