# ---
# jupyter:
#   a: [1, {b: "c"}, 'd']
#   e:
#     - 1
#     - x y
#   f: |
#     block
#   g: &x 1
#   "h": yes # comment
# other:
#   - {a: 1}
# ---
# %%
