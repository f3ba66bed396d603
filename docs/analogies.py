"""An analogy for each loss: two sentences that a reader may remember it by."""

PAIRS = {
    "minimax": (
        "A forger is paid by how unsure the expert was. While every note is thrown out at a "
        "glance the pay is the same for any note, so a beginner never learns which change would "
        "have helped."
    ),
    "non-saturating": (
        "The same forger and the same expert, but now each rejected note costs a fine that "
        "grows with how sure the expert was. The worse the note, the clearer the lesson."
    ),
    "wasserstein": (
        "Two heaps of sand on a beach, and a surveyor who may build any landscape to make the "
        "move from one to the other look expensive. Somebody has to hold the surveyor to gentle "
        "slopes, or he piles mountains and calls the move infinitely dear."
    ),
    "least-squares": (
        "A piano tuner who wants a string at exactly one pitch: too low is wrong, and too high "
        "is as wrong. Samples that the expert already finds better than real are pulled back as "
        "well."
    ),
    "hinge": (
        "A driving examiner who fails whoever stays below the mark and has nothing to say to "
        "those well above it. All the examiner's time goes to the cases near the line."
    ),
    "relativistic": (
        "Dogs at a show are not measured, they are led into the ring two at a time. A judge who "
        "only compares cannot hide in a corner where all dogs get the same grade."
    ),
    "relativistic-average": (
        "Grading on the curve: a paper is good if it beats the average paper of the other "
        "class. When one class improves, the other's grades fall, although nobody there changed "
        "a word."
    ),
    "f-divergence": (
        "One scale with exchangeable dials: turn the dial and the same two piles are compared "
        "in another unit. Some dials punish what was invented, others what was forgotten, and "
        "the expert plays the same part under each."
    ),
    "dual-contrastive": (
        "A line-up at the police station: pick the one real person among wax figures, then the "
        "one wax figure among people. It takes more of an eye than judging faces one by one."
    ),
    "softmax": (
        "One cake for the whole table: the expert wants to give it all to the real guests, and "
        "the forger wants everybody to get an equal slice. Whoever gets more takes it from "
        "somebody else."
    ),
    "boundary-seeking": (
        "A game of getting the ball to stop exactly on the line, neither short of it nor "
        "beyond. The forger does not want to look more real than real, only to leave the expert "
        "with a coin to toss."
    ),
    "mmd": (
        "Two choirs behind a curtain are compared by the blend of all voices at once, not "
        "singer by singer. The microphones move about to where the blends differ most."
    ),
    "sphere": (
        "Everybody stands on a globe, and all that is measured is the distance to the north "
        "pole. Nobody can be farther away than the south pole, so no step ever gets out of "
        "hand."
    ),
    "realness": (
        "A panel of twenty judges in place of one: some look at the paper, some at the ink, and "
        "their votes are kept as they are. A forgery passes when the whole spread of votes is "
        "that of a genuine note."
    ),
    "energy-based": (
        "Water runs to where the ground is low, so the expert digs hollows under real samples "
        "and heaps earth on the others, up to a height and no higher. The forger rolls "
        "downhill."
    ),
    "boundary-equilibrium": (
        "A photocopier that should copy real pages well and forged pages badly, with a "
        "thermostat that watches the ratio of the two. When it copies forgeries too badly, the "
        "thermostat turns its attention back to real pages."
    ),
}
PENALTIES = {
    "gp": (
        "A speed limit for a landscape: on the way from any forged point to any real one, the "
        "slope shall be one, neither a cliff nor a plain. On a road of constant grade one "
        "always knows which way is up."
    ),
    "r1": (
        "Sandpaper applied where the real samples lie. When the forgeries have arrived there "
        "the ground is level, so nothing pushes them off again."
    ),
    "r2": (
        "The same sandpaper, applied where the forgeries lie. Together with R1 it leaves no "
        "side of the border on which the expert could build a cliff."
    ),
    "dragan": (
        "A gardener who looks after the grade of the lawn only in a small circle around each "
        "house. What the hills do far out of town is left to them."
    ),
    "max-gp": (
        "A bridge is as strong as its weakest part, so the inspector measures only the steepest "
        "spot of the day. Everything else may stay as it is."
    ),
    "wgan-div": (
        "A tax that nobody notices on small slopes and nobody can pay on large ones. There is "
        "no slope one should have, only slopes one cannot afford."
    ),
    "lecam": (
        "A rubber band ties each score to where the other side's scores have been lately. With "
        "few examples at hand, an expert should not be allowed to become too sure of them."
    ),
    "consistency": (
        "A coin is worth the same when it lies tilted. An expert who changes the verdict when "
        "the picture is merely moved was looking at the wrong thing."
    ),
    "drift": (
        "Only differences in height matter to a hiker, and yet a map whose zero wanders off "
        "every day becomes a nuisance. This is the nail that holds the zero."
    ),
    "orthogonal": (
        "A crew in which no two people do the same job. It does not say how hard anyone works."
    ),
    "spectral": (
        "A limit on the loudest note each amplifier in a chain can make. If every one is "
        "modest, the chain cannot scream."
    ),
    "approximate-r1": (
        "Instead of measuring the slope with an instrument, take one small step in a random "
        "direction and see how far you rose. Over many steps that tells as much."
    ),
    "approximate-r2": (
        "The same small step, taken where the forgeries stand. It needs no instrument that a "
        "fast machine could not build in."
    ),
    "path-length": (
        "A good map: an inch is a mile, wherever on the sheet one lays the ruler. Then a step "
        "of the fingers means the same change in the picture everywhere."
    ),
    "mode-seeking": (
        "Two people order different meals and get the same soup: the cook has to explain. The "
        "farther apart the orders, the more different the plates must be."
    ),
    "latent-consistency": (
        "Jog the painter's elbow and look at the painting. The critic's opinion should not "
        "change, the painting should."
    ),
    "pulling-away": (
        "People in a lift turn so that nobody faces the same way. It asks nothing of how tall "
        "they are, only where they look."
    ),
}
TERMS = {
    "l1": (
        "The taxi fare between two pictures, block by block. One far-off pixel costs its "
        "distance and no more, so the answer to doubt is the median: slightly soft, seldom "
        "absurd."
    ),
    "mse": (
        "A guess that is twice as far off is four times as bad. Between two sharp answers it "
        "therefore chooses the blurred one in the middle."
    ),
    "psnr": (
        "The mean squared error on the scale of a volume knob: ten decibels are a factor of "
        "ten. It ranks one picture as MSE does, and weighs a good and a bad picture of a batch "
        "alike."
    ),
    "cosine": (
        "Two people point at the horizon, and only the angle between their arms counts. How "
        "long the arms are is their own affair."
    ),
    "ssim": (
        "Look at both pictures through the same keyhole and ask: as bright, as strong, and the "
        "same pattern? Move the keyhole over the whole picture and average the answers."
    ),
    "ms-ssim": (
        "The keyhole again, from one step back, then two, then four. Close by the grain "
        "matters, from afar the composition."
    ),
    "perceptual": (
        "Two witnesses describe what they saw in words like edge, fur and wheel, and the "
        "descriptions are compared. A shift by a pixel changes every number and hardly a word."
    ),
    "feature-matching": (
        "The apprentice may not see the examiner's grade, only the notes in the margin. Match "
        "the notes, and the grade follows."
    ),
    "mean-feature-matching": (
        "A class is compared with another by its averages: so tall, so fast, so loud. No pupil "
        "has to be like any other."
    ),
    "cycle": (
        "Translate a letter into French and back: whoever invents or leaves out a sentence is "
        "found out at home. No pair of the same letter in both languages is needed."
    ),
    "identity": (
        "Ask the English translator to translate something that is English already. The right "
        "answer is to leave it alone, colours included."
    ),
    "charbonnier": (
        "L1 with its sharp corner sanded round. Near the truth it steers gently in place of "
        "jumping from one side to the other."
    ),
    "total-variation": (
        "The length of fence needed to separate all neighbours that differ. Fewer fences mean "
        "larger even fields, and, if it goes too far, a poster."
    ),
    "focal-frequency": (
        "Play both pictures as chords and listen for the notes that are furthest off. Those get "
        "the attention, the ones that agree are left to sound."
    ),
    "style": (
        "Two rooms furnished alike, whatever stands where. What counts is which things occur "
        "together: oak with brass, blue with gold."
    ),
    "lpips": (
        "A jury that was once asked which of two pictures looks more like a third, and "
        "remembers which details people cared about. It speaks for their eyes, not for the "
        "pixels."
    ),
    "contextual": (
        "Find for every stone of one mosaic its like in the other, wherever it lies. A mosaic "
        "that has the same stones in other places is still at home."
    ),
    "patch-nce": (
        "Point at a spot in the translated picture and find the spot of the original it came "
        "from, among others of the same picture. Zebra stripes may replace the coat, but the "
        "knee must still be the knee."
    ),
    "ac-gan": (
        "The expert also names what the note claims to be. The forger is paid twice: for "
        "looking real and for being read as the right denomination."
    ),
    "tac-gan": (
        "A second reader who sees forgeries only, and whose right answers cost the forger. So "
        "being overly typical of a class stops paying."
    ),
    "adc-gan": (
        "The label says class and origin at once: real three, forged three. Only when the "
        "forged three is as good as the real one can nobody tell which drawer it belongs to."
    ),
    "multi-hinge": (
        "An exam with one right box among many and a margin: the right box must win clearly. "
        "Once it does, the pen is put down."
    ),
    "2c": (
        "A reunion photo: stand by your own year's sign and by your classmates, away from the "
        "others. Signs and people arrange themselves at the same time."
    ),
    "d2d-ce": (
        "The reunion again, with a photographer who ignores those who already stand well. "
        "Crowds of easy cases cannot drown the hard ones."
    ),
    "infogan": (
        "Whisper a word before the painting is made, and have a stranger guess it from the "
        "painting. What can be guessed has found a visible form."
    ),
    "stft": (
        "Two recordings compared on sheet music, once with fine and once with coarse rulers. "
        "Short clicks show on one, steady tones on the other."
    ),
    "mel": (
        "The same sheet music with the staves where the ear has them: wide apart below, crowded "
        "above. A detail nobody hears costs little."
    ),
    "kl": (
        "The extra words you need when you tell one town's news in a code made for another "
        "town. What happens here and never there has no code word, and costs without bound."
    ),
    "gaussian-kl": (
        "The cost of calling one bell curve by another's name. Wrong place or wrong width, both "
        "are paid for, and an exact formula says how much."
    ),
}
ANALOGIES = PAIRS | PENALTIES | TERMS
