"""Attribution graphs: what they cost, and how near each method is to exact patching."""
