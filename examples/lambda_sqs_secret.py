"""lambda_sqs.py with the key from Secrets Manager. Lambda calls lambda_sqs_secret.function."""

import os

import boto3  # Lambda has it

found = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["API_KEY_SECRET_ARN"])
os.environ["ITERABLE_API_KEY"] = found["SecretString"].strip()

from lambda_sqs import function  # noqa: E402 - it looks for the key when it is imported

__all__ = ["function"]
