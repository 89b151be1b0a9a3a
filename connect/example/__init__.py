"""TrialFinder: a made-up integrator. It plays an app that matches patients to clinical trials.

It uses what any integrator has and nothing else: the public API with its own key, and signed webhooks, over HTTP. It
imports nothing of Connect; copy this folder to see how little an integration needs.
"""
