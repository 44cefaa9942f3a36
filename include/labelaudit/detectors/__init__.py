"""What is wrong with the labels, one detector to a kind of label; each folds kernels over the rows."""
