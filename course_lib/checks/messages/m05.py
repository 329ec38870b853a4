"""What a learner reads about the exercises of module 05."""

from course_lib.checks.verdict import Message

MESSAGES = {
    "sample_episode": {
        "four": Message(
            "The function returns four things: s_idx, s_y, q_idx, q_y.",
            "Something is missing, or two of them were put together.",
            "Compare your `return` with the signature.",
        ),
        "in_total": Message(
            "n_shot and n_query count examples of *each class*.",
            "They were taken as totals: in an N-way episode the support set has N times n_shot "
            "examples.",
            "How many support images does a 20-way 1-shot episode have?",
        ),
        "sizes": Message(
            "The support set has n_way times n_shot examples, the query set n_way times n_query.",
            "The sizes differ. Perhaps n_shot and n_query are exchanged, or everything that is "
            "left became a query.",
            "Print the four lengths for n_way = 3, n_shot = 2, n_query = 4.",
        ),
        "range": Message(
            "Indices are positions in `labels`.",
            "Some lie outside. Perhaps they count within a class, or from one.",
            "What does `labels[s_idx]` give?",
        ),
        "repeats": Message(
            "Within a set no example occurs twice.",
            "Examples were drawn *with* replacement: a second copy of an image adds nothing, and "
            "the episode has fewer shots than it says.",
            "`torch.randint` may draw a number twice; which function gives each number once?",
        ),
        "overlap": Message(
            "Support and query share no example.",
            "Some examples are on both sides. A query that lies in the support set is recognised "
            "by being the same picture, and the accuracy is too good.",
            "Draw both sets of a class together, then cut the draw in two.",
        ),
        "small_class": Message(
            "Only classes with at least n_shot + n_query examples take part.",
            "A smaller class was drawn. It cannot fill both sides without an example twice.",
            "Count the examples of each class before you choose classes.",
        ),
        "not_relabelled": Message(
            "Labels within the episode are 0…n_way-1.",
            "The original labels were returned. A classifier of n_way outputs has no place for "
            "class 117.",
            "Number the chosen classes from 0, and give that number to each of their examples.",
        ),
        "label_range": Message(
            "Labels within the episode are 0…n_way-1.",
            "Others occur. Perhaps the numbering begins at 1, or goes on in the query set.",
            "Print the smallest and the largest of your labels.",
        ),
        "unbalanced": Message(
            "Every class has n_shot support and n_query query examples.",
            "The sizes are right in all, but not class by class: perhaps the draw was from all the "
            "examples of the chosen classes together.",
            "Draw within each class.",
        ),
        "out_of_step": Message(
            "Position i of the labels belongs to position i of the indices.",
            "Examples and labels are out of step. Perhaps one of them was shuffled, or the labels "
            "count 0, 1, 2, 0, 1, 2 while the examples come class by class.",
            "Print `labels[s_idx]` beside `s_y`.",
        ),
        "two_mappings": Message(
            "A class has the same label among the queries as in the support set.",
            "Each side was numbered on its own. Every query would then be marked by a key that "
            "belongs to other classes.",
            "Fix the order of the classes once, for both sides.",
        ),
        "same_state": Message(
            "Equal states of `rng` give equal episodes.",
            "Two generators of the same seed gave different episodes, so some of the randomness "
            "comes from elsewhere.",
            "Which of your random calls does not get `generator=rng`?",
        ),
        "no_progress": Message(
            "Drawing from `rng` moves its state on, so the next call gives another episode.",
            "The same episode came again and again. Perhaps a new generator is made from a fixed "
            "number or from `rng.initial_seed()`.",
            "Pass `rng` itself to the functions that draw.",
        ),
        "same_classes": Message(
            "The classes of an episode are drawn anew each time.",
            "It is always the same n_way classes: the first, the largest, or the last.",
            "Where does chance enter into the choice of classes?",
        ),
        "exact_class": Message(
            "A class with exactly n_shot + n_query examples is large enough.",
            "Such a class never took part: an inequality is off by one.",
            "Is it `>` or `>=`?",
        ),
        "class_chances": Message(
            "Every class that is large enough has the same chance.",
            "Some come far too often. Perhaps an *example* was drawn first and its class taken, "
            "which favours large classes.",
            "Make a list of the classes, each once, and draw from that.",
        ),
        "example_chances": Message(
            "Every example of a class has the same chance, on either side.",
            "Some places within a class are preferred: always the first ones, or the support "
            "always before the queries.",
            "Put the examples of a class into a random order, then cut.",
        ),
        "neighbours": Message(
            "The examples of an episode are drawn one by one, from the whole class.",
            "They lie next to each other in the dataset. Neighbours often come from one writer or "
            "one scene, and each place can be right on average all the same.",
            "Draw a place of its own for each example, without replacement.",
        ),
        "exactly_enough": Message(
            "n_way classes of exactly n_shot + n_query examples are enough.",
            "The function refused an episode that can be drawn.",
            "Try your conditions with the smallest numbers that must still work.",
        ),
        "too_few": Message(
            "Too few classes of sufficient size is a `ValueError` with a sentence.",
            "An episode with fewer classes, or another exception deep inside, leaves the caller "
            "guessing.",
            "Count the classes that are large enough, compare with n_way, and raise.",
        ),
    },
    "prototype_logits": {
        "transposed": Message(
            "There is a row for each query and a column for each class: (Q, W).",
            "Rows and columns are exchanged.",
            "Which argument of your distance comes first?",
        ),
        "sign": Message(
            "Near means a *high* logit.",
            "These are distances: the softmax then likes the farthest class best, and the accuracy "
            "falls below guessing.",
            "What must a distance be multiplied by to become a score?",
        ),
        "unsquared": Message(
            "Logits are minus the *squared* distance.",
            "The distance was not squared. The winner is the same, but not the probabilities, and "
            "so not the gradient.",
            "`torch.cdist` and `norm` take a square root at the end.",
        ),
        "grouped": Message(
            "The labels say which support example belongs to which class.",
            "The support was cut into equal groups by position. It need not be sorted, and classes "
            "may have different numbers of shots.",
            "Where do you use the values in `support_labels`?",
        ),
        "columns": Message(
            "Column k belongs to label k.",
            "The columns come in another order, such as that of first appearance in the support.",
            "Go through the labels from 0 to W-1.",
        ),
        "sums": Message(
            "A prototype is the *mean* of its class.",
            "This is the sum, so classes with more shots lie farther out.",
            "By what must the sum of a class be divided?",
        ),
        "first_example": Message(
            "A prototype is the mean of *all* support examples of its class.",
            "Only the first of each class was used; the other shots are wasted.",
            "How many rows of the support go into your prototype 0?",
        ),
        "nearest_example": Message(
            "A class is represented by one point, the mean of its support.",
            "These are the distances to the nearest example of each class: that is nearest "
            "neighbour, another classifier.",
            "First the mean of each class, then the distances.",
        ),
        "mean_distance": Message(
            "It is the distance to the mean, not the mean of the distances.",
            "The squared distances to the examples were averaged. That adds the spread of each "
            "class, so compact classes are favoured.",
            "First the mean of each class, then the distances.",
        ),
        "mean_over_features": Message(
            "A squared distance is the *sum* over the features.",
            "This is the mean over the features, as in a mean squared error. It makes the softmax "
            "far less sure.",
            "Look at the reduction over the last axis.",
        ),
        "halved": Message(
            "Logits are minus the squared distance, without a factor.",
            "A factor of one half has come in, as in the exponent of a Gaussian.",
            "Compare with a distance that you work out by hand.",
        ),
        "dot": Message(
            "The length of a prototype counts: ‖q - c‖² has a term ‖c‖².",
            "Only the inner product of query and prototype is there. ‖q‖² may be dropped, because "
            "it is the same for every class; ‖c‖² is not.",
            "Write out (q - c)², and look for the terms that depend on the class.",
        ),
        "cosine": Message(
            "Logits are minus squared Euclidean distances.",
            "These are cosines, which ignore the lengths. They come two exercises later.",
            "Where are the vectors normalised?",
        ),
        "queries_inside": Message(
            "Prototypes come from the support alone: a query is judged as if no other were there.",
            "The logits of a query depend on the other queries, so these have a part in the "
            "prototypes. In use they come one at a time; and with their labels they give away the "
            "answer.",
            "Through which lines does `query` reach the prototypes?",
        ),
        "absolute": Message(
            "Distances are Euclidean: squares are added.",
            "These are sums of absolute differences.",
            "Look at what is done to the differences before they are added.",
        ),
        "probabilities": Message(
            "The result is logits; the softmax comes later.",
            "These are probabilities, and `cross_entropy` would apply a second softmax to them. "
            "Their logarithms would be fine.",
            "Leave the softmax to the caller.",
        ),
        "query_axis": Message(
            "A query's logits depend on no other query.",
            "A softmax went along the queries instead of the classes.",
            "If you normalise at all, which axis should add up to one?",
        ),
        "no_gradient": Message(
            "The gradient reaches the support.",
            "Nothing arrives there: `detach`, `no_grad`, `.item()` or NumPy on the way cuts the "
            "graph, and the embedding could not learn.",
            "Which line leaves torch?",
        ),
        "gradient": Message(
            "The gradient with respect to the support is that of minus the squared distance.",
            "The values are right, but a part of the way back is cut or changed.",
            "Look for `detach` and for values that are overwritten.",
        ),
        "value": Message(
            "Logits are minus the squared Euclidean distances to the class means.",
            "Perhaps a class is represented by something else than the mean of its examples (their "
            "median, their sum, one of them), or the distance is another.",
            "Take two classes with one example each, in two dimensions, and work them out by hand.",
        ),
    },
    "contrastive_loss": {
        "per_pair": Message(
            "The loss is one number: the mean over the pairs.",
            "There is still one number for each pair.",
            "What turns N numbers into one?",
        ),
        "flipped": Message(
            "same = 1 means: of one class, pull together.",
            "The two cases are exchanged. The paper writes Y = 1 for *unlike* pairs; libraries "
            "differ, and so the convention must be read each time.",
            "Which term does a pair with same = 1 and distance 0 get? It should cost nothing.",
        ),
        "no_clamp": Message(
            "Unlike pairs farther apart than the margin cost nothing.",
            "The margin is not clamped, so far pairs are pulled back to it.",
            "What is margin - d for d larger than the margin, and what is its square?",
        ),
        "halved": Message(
            "There is no factor of one half here.",
            "The paper has one; this exercise does not.",
            "Look for a 0.5.",
        ),
        "summed": Message(
            "The loss is the *mean* over the pairs.",
            "This is the sum, so it grows with the batch.",
            "Compare a batch with the same batch twice.",
        ),
        "unsquared": Message(
            "Both terms are squared: d², and max(0, margin - d)².",
            "A square is missing.",
            "Check each of the two terms with d = 0.5 and margin 2.",
        ),
        "no_root": Message(
            "d is the Euclidean distance, and the margin is compared with d.",
            "Somewhere d² stands in the place of d: a root is missing, or the margin is compared "
            "with a square.",
            "In which unit is your d, and in which the margin?",
        ),
        "no_margin": Message(
            "Unlike pairs are pushed apart only until they are a margin away.",
            "Their squared distance is subtracted without end. The loss has no lower bound, and "
            "the features explode.",
            "What is the smallest value that your loss can take?",
        ),
        "mean_over_features": Message(
            "The distance is the root of the *sum* of squared differences.",
            "The squares were averaged over the features.",
            "Look at the reduction over the last axis.",
        ),
        "alike_only": Message(
            "Unlike pairs cost, too, as long as they are nearer than the margin.",
            "Only pairs of one class cost anything here. The cheapest network then maps all images "
            "to one point.",
            "Where is the term of the unlike pairs?",
        ),
        "two_means": Message(
            "There is one mean, over all pairs.",
            "The alike and the unlike pairs were averaged apart. Sometimes useful, but another "
            "loss if there are not as many of each.",
            "Put both terms together for each pair, then take the mean.",
        ),
        "no_gradient": Message(
            "The gradient reaches both a and b.",
            "Nothing arrives at one of them: `detach`, `no_grad`, `.item()` or NumPy cuts the "
            "graph. Both halves of a Siamese network learn.",
            "Which line leaves torch, or detaches?",
        ),
        "nan_gradient": Message(
            "The gradient is finite, also for a pair of equal features.",
            "The root has an infinite slope at 0, and infinity times zero is NaN. One such pair "
            "spoils every weight of the network.",
            "How can you keep what stands under the root away from 0, or d² away from the root?",
        ),
        "gradient": Message(
            "The gradient is that of the loss.",
            "The value is right, but a part of the way back is cut or changed.",
            "Look for `detach`, for rounding, and for values that are overwritten.",
        ),
        "value": Message(
            "The loss is mean[same · d² + (1 - same) · max(0, margin - d)²].",
            "Perhaps d is not the Euclidean distance (a cosine, a sum of absolute differences), or "
            "the margin is left out, or stands in the term of the alike pairs.",
            "Work out two pairs by hand, one alike and one unlike.",
        ),
    },
    "cosine_logits": {
        "transposed": Message(
            "There is a row for each feature vector and a column for each class: (N, K).",
            "Rows and columns are exchanged.",
            "Which factor of the product comes first?",
        ),
        "no_scale": Message(
            "The cosine is multiplied by the scale.",
            "The scale changes nothing here. A cosine is at most 1, and a softmax of such numbers "
            "cannot be sure of anything.",
            "Where does `scale` occur in your code?",
        ),
        "features_only": Message(
            "Both sides are normalised.",
            "Only the features are. Long rows of `weight` then win whatever the direction.",
            "Which rows have length 1 in your code?",
        ),
        "weight_only": Message(
            "Both sides are normalised.",
            "Only the weights are, so long features are more sure than short ones.",
            "Which rows have length 1 in your code?",
        ),
        "not_normalised": Message(
            "A cosine is an inner product of vectors of length 1.",
            "These are plain inner products.",
            "Divide each row by its length.",
        ),
        "batch_axis": Message(
            "Each *row* is divided by its own length.",
            "The lengths were taken over the batch or over the whole table, so an image's logits "
            "depend on the other images.",
            "Which axis holds the features of one image?",
        ),
        "divided": Message(
            "The cosine is *multiplied* by the scale.",
            "It was divided, as by a temperature. A scale of 10 is a temperature of 0.1.",
            "Should a larger scale make the softmax more sure or less?",
        ),
        "scale_twice": Message(
            "The scale counts once.",
            "It came in twice, perhaps on either side of the product.",
            "Double the scale: do your logits double?",
        ),
        "squared_length": Message(
            "Each row is divided by its length.",
            "It was divided by the *square* of its length.",
            "What is the length of your normalised rows?",
        ),
        "root_mean_square": Message(
            "The length of a row is the root of the *sum* of its squares.",
            "The mean of the squares was taken instead, so the logits grow with the number of "
            "features.",
            "What is the length of (3, 4)?",
        ),
        "one_norm": Message(
            "The length of a row is the root of the sum of its squares.",
            "Another norm was used, such as the sum of absolute values.",
            "What is the length of (3, 4)?",
        ),
        "softmax": Message(
            "The result is logits; the softmax comes later.",
            "These are probabilities.",
            "Leave the softmax to the caller.",
        ),
        "distance": Message(
            "A higher logit means a smaller angle.",
            "These are cosine *distances*, one minus the cosine: the farthest class would win.",
            "What should a vector get with itself: 0, or the scale?",
        ),
        "sign": Message(
            "A higher logit means a smaller angle.",
            "The sign is the other way round. A cosine is a similarity already.",
            "What should a vector get with itself?",
        ),
        "zero_row": Message(
            "A row of zeros gives logits of 0.",
            "It has no direction, and dividing by its length gives NaN. A dead feature vector or a "
            "class without a weight would spoil the whole loss.",
            "What does your division do when the length is 0?",
        ),
        "zero_spoils": Message(
            "A row of zeros changes nothing for the other rows.",
            "The others are no longer what they were.",
            "Treat the lengths row by row.",
        ),
        "value": Message(
            "Logits are the scale times the cosine.",
            "Perhaps rows were centred first, one row's length was used for all, or an epsilon is "
            "so large that it changes ordinary rows.",
            "Work out one row by hand.",
        ),
    },
    "episode_interval": {
        "order": Message(
            "The result is (mean, low, high), in that order.",
            "The three numbers come in another order.",
            "Compare your `return` with the signature.",
        ),
        "median": Message(
            "The first number is the mean of the episodes.",
            "This is the median.",
            "Which of the two does a paper report as accuracy?",
        ),
        "mean": Message(
            "The first number is the mean of the episodes.",
            "It is another number. Perhaps some episodes are left out.",
            "Write down three accuracies and compute their mean by hand; what does yours give?",
        ),
        "offsets": Message(
            "low and high are accuracies themselves.",
            "These are distances from the mean.",
            "Add the mean.",
        ),
        "pooled": Message(
            "The episode is the unit: its accuracy is one observation.",
            "This is the interval of a share among independent answers, √(p(1-p)/n). The queries "
            "of an episode share a support set, and are right or mistaken together.",
            "Use how much the *episodes* differ from each other; nothing else.",
        ),
        "spread": Message(
            "The interval is about the *mean* of the episodes.",
            "This is how much single episodes differ. It does not shrink with more of them.",
            "By what is a standard deviation divided to become a standard error?",
        ),
        "no_root": Message(
            "The standard error is the standard deviation over the *root* of E.",
            "It was divided by E itself, and the interval is far too narrow.",
            "Four times as many episodes make an interval half as wide.",
        ),
        "one_se": Message(
            "The interval covers 95 %, about 1.96 standard errors to each side.",
            "This is about one standard error to each side, which covers 68 %. Or a half width was "
            "halved once more.",
            "Which factor belongs to 95 %, and is it for each side?",
        ),
        "variance": Message(
            "The standard error comes from the standard deviation.",
            "The variance was used in its place, without the root.",
            "Print the standard deviation and the variance; which one did you take?",
        ),
        "one_sided": Message(
            "The interval reaches to both sides of the mean.",
            "One side is missing.",
            "Compare mean - low with high - mean.",
        ),
        "width": Message(
            "The half width is about 1.96 standard deviations over √E.",
            "It is clearly another one. Perhaps the level is not 95 %, the number of episodes is "
            "not the one given, or a bootstrap has fewer than a thousand draws.",
            "Compare with a t interval by SciPy.",
        ),
        "two_episodes": Message(
            "Two episodes are enough for a standard deviation, and so for an interval.",
            "The function refused them: an inequality is off by one.",
            "Which is the smallest number of episodes that must work?",
        ),
        "one_episode": Message(
            "Fewer than two episodes are a `ValueError` with a sentence.",
            "One accuracy cannot show any spread; a zero width or a NaN would pretend to know.",
            "Count the episodes first, and raise.",
        ),
    },
}

HINTS = {
    "sample_episode": (
        "Which two draws does an episode need: one among the classes, and then? What must be known "
        "about the classes before the first draw?",
        "`labels.unique(return_counts=True)` gives classes and sizes. `torch.randperm(n, "
        "generator=rng)` puts n things into a random order; its first entries are a fair draw. One "
        "order of a class, cut in two, gives support and query without overlap.",
        "classes, counts = labels.unique(return_counts=True)\n"
        "classes = classes[...]                       # the large enough ones\n"
        "if ...:\n"
        "    raise ValueError(...)\n"
        "chosen = classes[torch.randperm(len(classes), generator=rng)[...]]\n"
        "for new_label, old_label in enumerate(chosen):\n"
        "    members = (labels == old_label).nonzero().flatten()\n"
        "    members = members[...]                   # in a random order\n"
        "    ...                                      # the first n_shot, the next n_query\n"
        "return ...                                   # indices joined; new labels repeated",
    ),
    "prototype_logits": (
        "Two steps: where is the middle of each class, and how far is each query from each middle? "
        "Which of the two steps may see the queries?",
        "`support[support_labels == k].mean(dim=0)` is the middle of class k; `torch.stack` makes "
        "one table (W, D) of them. For all pairs of a query and a prototype, add an axis: "
        "`query[:, None]` has the shape (Q, 1, D).",
        "n_way = int(support_labels.max()) + 1\n"
        "prototypes = torch.stack([... for k in range(n_way)])   # (W, D)\n"
        "differences = query[:, None] - ...                      # (Q, W, D)\n"
        "return ...                                              # near is high",
    ),
    "contrastive_loss": (
        "Draw the cost of an alike pair against its distance d, and that of an unlike pair. Where "
        "does the second one become zero?",
        "`clamp(min=0)` cuts off below zero. Bool and int labels become numbers by `.to(a.dtype)`. "
        "For the gradient at d = 0: `torch.linalg.vector_norm` is safe there, and so is a tiny "
        "number inside the root.",
        "same = same.to(...)\n"
        "d = ...                                 # (N,), with a finite gradient at 0\n"
        "alike = same * ...\n"
        "unlike = (1 - same) * (...).clamp(min=0) ** 2\n"
        "return (...).mean()",
    ),
    "cosine_logits": (
        "How long is a row after you have divided it by its length, and what does a product of two "
        "such rows measure? What if the length is 0?",
        "`torch.nn.functional.normalize` divides by the length along an axis, and leaves zeros as "
        "zeros. For all pairs of rows at once, multiply by the transpose.",
        "features = ...            # every row of length 1, or 0\n"
        "weight = ...\n"
        "return scale * ... @ ....T",
    ),
    "episode_interval": (
        "How many independent numbers do you have: one for each query, or one for each episode? "
        "And is the interval about the next episode, or about the mean of all?",
        "The standard error of a mean is the standard deviation of its numbers over the root of "
        "how many there are. At 100 episodes and more, 1.96 and Student's t hardly differ.",
        "n = len(accuracies)\n"
        "if ...:\n"
        "    raise ValueError(...)\n"
        "mean = ...\n"
        "half = 1.96 * ...         # a standard error\n"
        "return mean, ...",
    ),
}
