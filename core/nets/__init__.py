"""Networks: nn.Modules with the published checkpoints' keys as parameter names. Torch and nothing of ours."""
