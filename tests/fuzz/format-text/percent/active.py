# %% active="ipynb"
# 1 + 1

# %% tags=["active-py"]
print()

# %% run_control={"frozen": true}
# 2

# %% active=""
# x
