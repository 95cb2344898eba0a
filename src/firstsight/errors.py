"""The one error a user can cause."""


class FirstsightError(ValueError):
    """A mistake in what firstsight was given (config, image, weights, settings); its text is one clear line."""
