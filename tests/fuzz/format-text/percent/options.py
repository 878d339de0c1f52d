#!/usr/bin/env python3
# -*- coding: utf-8 -*-
# ---
# title: A page
# jupyter:
#   jupytext:
#     text_representation:
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% A title [markdown] tags=["a", "b c"] key="a=b" .class n=1.5
# text
#
# more

# %% {"tags": ["x"], "title": "y"}
1
# %%% deep
