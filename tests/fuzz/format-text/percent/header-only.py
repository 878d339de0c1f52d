# ---
# jupyter: {}
# ---
