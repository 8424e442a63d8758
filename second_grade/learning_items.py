"""A mistake that children make at each of twenty questions, and what a teacher could say about it.

Left out are questions with two answers ("even or odd"), where any "no" leads to the other one. No feedback names the
right answer: `tests/second_grade/test_learning.py` has each of them read by the classifier.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LearningItem:
    """`mistake`: what the child says. `targeted`: about that idea. `misaligned`: about another mistake at it."""

    question: str
    mistake: str
    targeted: str
    misaligned: str


ITEMS = (
    LearningItem(
        "What is 20 - 6?",
        "It's 26.",
        "You put the two numbers together. This sign means that some go away, so there are fewer in the end.",
        "You counted the number where you started as your first step, so you are one off.",
    ),
    LearningItem(
        "What is 52 - 38?",
        "It's 26.",
        "In the ones you took the small digit from the big one, the wrong way round. You have too few ones, "
        "so open a ten first.",
        "You put the two numbers together. This sign means that some go away.",
    ),
    LearningItem(
        "How many tens are in 47?",
        "There are 7.",
        "You told me how many ones there are, on the right side. Look at the other side of the number.",
        "You told me the whole number, as if every single stick were a bundle.",
    ),
    LearningItem(
        "What does the 3 in 35 mean?",
        "It just means 3.",
        "You read it as if it stood alone. Look where it stands: another digit comes after it, and that "
        "changes its worth.",
        "You read both digits together, as the whole number. I ask about one of them.",
    ),
    LearningItem(
        "What is 7 times 8?",
        "It's 15.",
        "You put the two numbers together once. Times means so many groups, with so many in each group.",
        "Your digits are in the wrong order: what you wrote first belongs at the end.",
    ),
    LearningItem(
        "What is one half plus one fourth?",
        "It's two sixths.",
        "You added the tops and you added the bottoms. The pieces have different sizes: cut the half until "
        "they are alike.",
        "You took one away from the other. Plus means that both are eaten.",
    ),
    LearningItem(
        "How much money is a quarter, a dime and a nickel?",
        "It's 3.",
        "You counted how many coins there are. But each coin is worth a different number of cents.",
        "You thought that the dime is worth less than the nickel because it is smaller.",
    ),
    LearningItem(
        "Why do we have day and night?",
        "Because the moon covers the sun.",
        "The moon doesn't cover it: you often see both of them at once in the morning. Think about what we "
        "ourselves stand on.",
        "The sun is never tired and needs no sleep. It burns the whole time.",
    ),
    LearningItem(
        "Why is it warmer in summer?",
        "Because we are closer to the sun.",
        "We are a bit nearer to it in January, when it is cold here. So how near we are can't be why.",
        "Snow doesn't make the cold. It only falls when it is cold already.",
    ),
    LearningItem(
        "Why does ice float on water?",
        "Because it's cold.",
        "A very cold stone goes to the bottom, so being cold can't be why. Think about what freezing does to its size.",
        "It doesn't need to swim or paddle. A boat can't swim either.",
    ),
    LearningItem(
        "What is gravity?",
        "It's when you float in space.",
        "Floating is what you do far out there, where you don't feel it. Think about what happens here when "
        "you let go of a cup.",
        "It isn't the wind or the air. You feel it in a room with no wind too.",
    ),
    LearningItem(
        "What is the difference between a solid and a liquid?",
        "Solids are heavy.",
        "A feather is one of the first kind, and a full bathtub is one of the second. So weight can't tell them apart.",
        "Being cold or hot can't tell them apart. Soup may be either.",
    ),
    LearningItem(
        "What do you do when you come to a word you don't know?",
        "I skip it.",
        "If you leave it out, you may miss what happens. There is something in the word itself that you know already.",
        "If you put in any word that you like, it becomes another story.",
    ),
    LearningItem(
        "What rhymes with cat?",
        "Dog.",
        "Those two go together because both are pets. Rhyming isn't about what things are but about how the words end.",
        "Those two begin with the same letter, but rhyming is another thing.",
    ),
    LearningItem(
        "How many syllables are in the word butterfly?",
        "9.",
        "You counted the letters. Clap while you say it slowly, and count your claps.",
        "You counted the two small words that are hidden in it.",
    ),
    LearningItem(
        "What is the main idea of a story?",
        "It's the first thing in the story.",
        "What comes at the start is one small part. Put all the parts together and say it in one go.",
        "A name on the cover can be about anything. Don't look there.",
    ),
    LearningItem(
        "Write the word because. How do you spell it?",
        "b-e-c-u-z",
        "You wrote the end just as you hear it. This word has letters at its end that you can't hear.",
        "You mixed up b and d at the start. Look which way the round part goes.",
    ),
    LearningItem(
        "What is a metaphor?",
        "It's a big word.",
        "Its length doesn't matter. This noisy classroom is a zoo today: there you have one.",
        "It has nothing to do with words that end alike, as in a song.",
    ),
    LearningItem(
        "Why do we have rules at school?",
        "Because teachers are mean.",
        "We teachers don't make them to be mean: we like you. Think of a hallway with no rules and two "
        "hundred children.",
        "They don't say that you may not laugh or play. You have recess for that.",
    ),
    LearningItem(
        "What does the president do?",
        "He is like a king.",
        "A king may do as he likes and is never voted for. Ours is chosen, and only for four years, for a job.",
        "It isn't about being rich. He doesn't print any money.",
    ),
)
