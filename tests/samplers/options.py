"""Options of samplers that are held against the plain one."""

OPTIONS = {
    "plain": {},
    "alone": {"temperature": 0.6, "group_size": 1},
    "greedy": {"temperature": 0.0},
    "one token": {"max_tokens": 1},
    "truncated": {"top_k": 9, "top_p": 0.8, "min_p": 0.05},
}
