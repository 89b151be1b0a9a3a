from django.apps import AppConfig


class ExampleConfig(AppConfig):
    name = "connect.example"
    label = "example"
