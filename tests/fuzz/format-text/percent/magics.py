# %%
# %matplotlib inline
# !pip list
files = 1
    # files = !ls
# # %notmagic
#%load x
x = """
%s
# %d
"""
# # %% no cell

# %%
# %%time
x = 2

# %% language="bash" magic_args="-e"
# ls
# \%% x
