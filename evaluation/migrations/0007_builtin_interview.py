"""The interview script that ships: 36 teacher questions for second grade, each in two wordings with a follow-up.

`right` and `mistaken` are phrases that give away what a child holds; "7|seven" are two ways to say one thing. The mistaken
ones are misconceptions that teachers of this age meet.
"""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAME = "Second-grade interview"
Question = tuple[str, str, str, str, str, list[str], list[str]]

MATH: list[Question] = [
    ("math", "known", "What is 15 + 8?", "If you have 15 stickers and get 8 more, how many do you have?", "How did you figure that out?", ["23|twenty-three|twenty three"], ["22|twenty-two", "24|twenty-four", "13|thirteen"]),
    ("math", "known", "What is 20 - 6?", "There are 20 birds and 6 fly away. How many are left?", "Can you show me another way?", ["14|fourteen"], ["16|sixteen", "26|twenty-six", "15|fifteen"]),
    ("math", "shaky", "What is 52 - 38?", "I had 52 pennies and spent 38. How many do I have now?", "Why did you do it that way?", ["14|fourteen"], ["26|twenty-six|twenty six", "24|twenty-four"]),
    ("math", "shaky", "Which is more, 305 or 350?", "Who has more points: Sam with 305 or Kim with 350?", "How can you tell?", ["350|three hundred fifty", "kim"], ["305|three hundred five", "sam", "the same"]),
    ("math", "known", "How many tens are in 47?", "If you make bundles of ten from 47 sticks, how many bundles do you get?", "And how many ones are left over?", ["4|four"], ["47|forty-seven", "7|seven"]),
    ("math", "shaky", "What does the 3 in 35 mean?", "In the number 35, how much is the 3 worth?", "So is it the same as a 3 by itself?", ["30|thirty", "three tens|3 tens"], ["just 3|just three|only 3", "it means 3|it means three|it's 3|it's three"]),
    ("math", "known", "Is 12 an even number or an odd number?", "Can you share 12 cookies fairly between two friends?", "How do you know?", ["even", "yes", "6|six"], ["odd", "no"]),
    ("math", "beyond", "What is 7 times 8?", "There are 7 boxes with 8 crayons in each. How many crayons?", "Have you learned that at school?", ["56|fifty-six|fifty six"], ["15|fifteen", "78"]),
    ("math", "beyond", "What is one half plus one fourth?", "If you eat half a pizza and then a quarter of the pizza, how much did you eat?", "Can you draw it in your head?", ["three fourths|three quarters|3/4"], ["two sixths|2/6", "one sixth|1/6"]),
    ("math", "known", "How much money is a quarter, a dime and a nickel?", "I have one quarter, one dime and one nickel. How many cents is that?", "Which coin is worth the most?", ["40|forty"], ["3 cents|three cents", "35|thirty-five", "45|forty-five"]),
]  # fmt: skip

SCIENCE: list[Question] = [
    ("science", "known", "What happens to water when it gets very cold?", "If you leave water in the freezer, what does it turn into?", "What happens when it gets warm again?", ["ice", "freezes|freeze|frozen"], ["disappears", "snow"]),
    ("science", "known", "What do plants need to grow?", "How would you take care of a little seed so that it gets big?", "What if it never gets any sun?", ["sun|sunlight|light", "water"], ["candy", "they eat dirt|eats dirt|eat the dirt"]),
    ("science", "shaky", "Why do we have day and night?", "Where does the sun go at night?", "How do you know?", ["earth turns|earth spins|earth rotates|we turn|we spin|it spins", "other side"], ["goes to sleep|goes to bed|sun sleeps", "moon covers|moon pushes", "sun goes down|goes under|sun moves"]),
    ("science", "shaky", "Will a big log float or sink?", "I throw a heavy piece of wood into the lake. What happens?", "Why?", ["float|floats"], ["sink|sinks"]),
    ("science", "shaky", "Why is it warmer in summer?", "How come winter is cold and summer is hot?", "Who told you that?", ["tilt|tilted|leans", "longer days|days are longer|sun is up longer"], ["closer|nearer|close to the sun", "far away|farther"]),
    ("science", "known", "Is a spider an insect?", "How many legs does a spider have?", "What do spiders eat?", ["8|eight", "no"], ["6|six", "yes"]),
    ("science", "beyond", "Why does ice float on water?", "Ice is made of water, so why doesn't it go to the bottom?", "Does that work with other things too?", ["less dense|density|lighter than water", "molecules"], ["because it's cold|cause it's cold", "air in it|bubbles|has air", "it's flat|it's hard"]),
    ("science", "beyond", "What is gravity?", "Why do things fall down when you let go of them?", "Is there gravity on the moon?", ["force|pulls|pull", "mass"], ["heavy|they're heavy", "the air pushes", "because nothing holds|nothing is holding"]),
    ("science", "known", "What is the difference between a solid and a liquid?", "Is milk a solid or a liquid?", "What about sand?", ["liquid", "pour|pours|runny|wet", "keeps its shape|hard"], ["solid"]),
]  # fmt: skip

READING: list[Question] = [
    ("reading", "known", "What do you do when you come to a word you don't know?", "How do you read a really hard word?", "Does that always work?", ["sound it out|sound out|sounds", "look at the picture|pictures", "ask"], ["skip it|skip"]),
    ("reading", "known", "Tom dropped his ice cream and began to cry. How does Tom feel?", "In a story, Tom's ice cream falls on the ground and he cries. What is he feeling?", "How do you know that?", ["sad", "upset", "mad"], ["happy"]),
    ("reading", "known", "What rhymes with cat?", "Tell me a word that sounds like cat at the end.", "And one more?", ["hat", "bat", "mat", "rat", "sat", "fat"], ["dog", "kitten", "car"]),
    ("reading", "shaky", "How many syllables are in the word butterfly?", "Clap the word butterfly. How many claps?", "What about caterpillar?", ["3|three"], ["2|two", "9|nine", "4|four"]),
    ("reading", "shaky", "What is the main idea of a story?", "If I ask what a book is mostly about, what do you tell me?", "Is that the same as the ending?", ["mostly about|what it's about|what the story is about|all about"], ["the first thing|the beginning", "the end|the ending", "the title|the name"]),
    ("reading", "shaky", "Write the word because. How do you spell it?", "Can you spell because for me?", "How do you remember that?", ["b-e-c-a-u-s-e|b e c a u s e|because, b"], ["b-e-c-u-z|b e c u z|becuz", "b-e-c-u-s|becus", "b-i-c-u-z"]),
    ("reading", "beyond", "What is a metaphor?", "When someone says the classroom is a zoo, what kind of saying is that?", "Can you make one up?", ["metaphor means|comparing without|compares two things|a comparison"], ["a real zoo|there are animals", "a joke", "a big word"]),
]  # fmt: skip

SOCIAL: list[Question] = [
    ("social", "known", "Why do we have rules at school?", "What would happen if your class had no rules?", "Which rule do you like least?", ["safe|get hurt|hurt", "fair", "crazy|loud|wild"], ["to be mean|because teachers are mean"]),
    ("social", "known", "Who helps people in your neighborhood?", "Tell me about a helper where you live.", "What do they do all day?", ["firefighter|firefighters|fireman|firemen", "police", "doctor|nurse", "mail"], ["superheroes|superman|batman"]),
    ("social", "shaky", "Is your town bigger or smaller than your state?", "What is bigger, a town or a state?", "And a country?", ["smaller", "state|the state"], ["bigger", "the same", "town|the town"]),
    ("social", "known", "What do you do when your friend is sad?", "Your friend sits alone and cries. What do you do?", "Did that ever happen to you?", ["hug", "ask", "play", "tell the teacher|tell a teacher", "share"], ["laugh", "leave"]),
    ("social", "beyond", "What does the president do?", "What is the job of the president?", "Can the president make a law alone?", ["signs|laws|law", "executive", "veto"], ["tells everyone what to do|the boss of everyone|boss of everybody", "lives in the white house", "like a king"]),
]  # fmt: skip

PERSONA: list[Question] = [
    ("persona", "known", "How old are you?", "When is your next birthday, and how old will you be now?", "Do you like being that old?", ["7|seven", "8|eight"], ["i don't have an age", "9|nine", "10|ten"]),
    ("persona", "known", "What grade are you in?", "Which class do you go to at school?", "Do you like it?", ["second|2nd|grade 2"], ["third|3rd", "first|1st", "college"]),
    ("persona", "known", "Are you a computer?", "Are you a real kid or a robot?", "How can I tell?", ["no", "kid|a kid|real kid"], ["yes", "ai|computer program|language model|robot"]),
    ("persona", "known", "What do you like to play at recess?", "What is your favorite thing to do on the playground?", "Who do you play with?", ["tag", "soccer", "swing|swings", "slide", "monkey bars", "jump rope", "ball|basketball|kickball"], []),
    ("persona", "known", "Do you have a pet?", "Is there an animal at your house?", "What is its name?", ["dog|puppy", "cat|kitten|kitty", "fish", "hamster", "no pet|don't have a pet|don't have any"], []),
]  # fmt: skip

QUESTIONS = [*MATH, *SCIENCE, *READING, *SOCIAL, *PERSONA]


def add_script(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    script_model: Any = apps.get_model("evaluation", "InterviewScript")
    question_model: Any = apps.get_model("evaluation", "InterviewQuestion")
    script = script_model.objects.create(course=None, number=1, name=NAME)
    for position, (subject, expectation, question, paraphrase, follow_up, right, mistaken) in enumerate(
        QUESTIONS, start=1
    ):
        question_model.objects.create(
            script=script,
            position=position,
            subject=subject,
            expectation=expectation,
            question=question,
            paraphrase=paraphrase,
            follow_up=follow_up,
            right=right,
            mistaken=mistaken,
        )


def remove_script(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    script_model: Any = apps.get_model("evaluation", "InterviewScript")
    script_model.objects.filter(course=None, number=1).delete()


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0006_interviews")]

    operations = [migrations.RunPython(add_script, remove_script)]
