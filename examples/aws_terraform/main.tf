# Segment's events from EventBridge, through an SQS queue and a Lambda function, to Iterable.
# examples/aws_sam/template.yaml is the same for AWS SAM.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.31"
    }
  }
}

variable "event_bus_name" {
  type        = string
  description = "The event bus that is associated with Segment's partner event source"
}

variable "api_key_secret_arn" {
  type        = string
  description = "The secret in Secrets Manager that holds Iterable's API key, as plain text and nothing else"
}

variable "alarm_topic_arn" {
  type        = string
  description = "The SNS topic that alarms go to"
}

variable "data_center" {
  type        = string
  description = "Where the Iterable project is"
  validation {
    condition     = contains(["US", "EU"], var.data_center)
    error_message = "The data center is US or EU."
  }
}

variable "name" {
  type        = string
  description = "What the queues, the function and the alarms are named"
  default     = "segment-to-iterable"
}

variable "package" {
  type        = string
  description = "The function's package, from this folder"
  default     = "../../dist/function.zip"
}

locals {
  package = "${path.module}/${var.package}"
}

# The queues

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-dead"
  message_retention_seconds = 1209600 # 14 days, the most; it counts from the first arrival
  sqs_managed_sse_enabled   = true
  lifecycle {
    prevent_destroy = true # what is in it is not lost by a mistake
  }
}

resource "aws_sqs_queue" "events" {
  name                       = var.name
  visibility_timeout_seconds = 360 # 6 times the function's timeout
  message_retention_seconds  = 345600
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = 20 # two hours of attempts
  })
  lifecycle {
    prevent_destroy = true # what is in it is not lost by a mistake
  }
}

data "aws_iam_policy_document" "queue" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.segment.arn]
    }
  }

  statement {
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.events.arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.id
  policy    = data.aws_iam_policy_document.queue.json
}

# From Segment's event bus to the queue

resource "aws_cloudwatch_event_rule" "segment" {
  name           = var.name
  event_bus_name = var.event_bus_name
  event_pattern = jsonencode({
    source = [{ prefix = "aws.partner/segment.com" }]
    detail = { type = ["identify", "track", "page", "screen"] }
  })
}

resource "aws_cloudwatch_event_target" "queue" {
  rule           = aws_cloudwatch_event_rule.segment.name
  event_bus_name = var.event_bus_name
  arn            = aws_sqs_queue.events.arn
}

# The function

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 30
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

data "aws_iam_policy_document" "function" {
  statement {
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.events.arn]
  }

  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.api_key_secret_arn]
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }
}

resource "aws_iam_role_policy" "function" {
  name   = "deliver"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.function.json
}

resource "aws_lambda_function" "deliver" {
  function_name    = var.name
  filename         = local.package
  source_code_hash = filebase64sha256(local.package)
  handler          = "lambda_sqs_secret.function"
  runtime          = "python3.12"
  architectures    = ["x86_64"]
  timeout          = 60
  memory_size      = 512
  role             = aws_iam_role.function.arn
  environment {
    variables = {
      API_KEY_SECRET_ARN   = var.api_key_secret_arn
      ITERABLE_DATA_CENTER = var.data_center
    }
  }
  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.function]
}

resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn                   = aws_sqs_queue.events.arn
  function_name                      = aws_lambda_function.deliver.arn
  batch_size                         = 100
  maximum_batching_window_in_seconds = 5
  function_response_types            = ["ReportBatchItemFailures"] # without it events are lost
  scaling_config {
    maximum_concurrency = 2 # the handler's rate limits are halves
  }
}

# The alarms

resource "aws_cloudwatch_metric_alarm" "dead" {
  alarm_name          = "${var.name}-dead"
  alarm_description   = "Events could not be delivered to Iterable, and are in the dead-letter queue"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
}

# The age leaves out what was received three times, so it stays below 18 minutes while Iterable is away.
resource "aws_cloudwatch_metric_alarm" "age" {
  alarm_name          = "${var.name}-age"
  alarm_description   = "Iterable does not accept events, or too slowly"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.events.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  threshold           = 600
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-errors"
  alarm_description   = "The function raised, as it does when it cannot read the key"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.deliver.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
}

output "queue_url" {
  description = "Where a program of yours can put events too"
  value       = aws_sqs_queue.events.url
}

output "dead_letter_queue_url" {
  description = "What could not be delivered"
  value       = aws_sqs_queue.dead.url
}
