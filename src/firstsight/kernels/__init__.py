"""The compiled core behind the detectors; each file has one public function."""
