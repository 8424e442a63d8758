"""Version 2 of the interview script that ships: each paraphrase asks what its question asks, and phrases that tell what an
answer claims (`second_grade/stance.py`). Interviews that were held keep version 1 and the questions they asked.
"""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAME = "Second-grade interview"
Question = tuple[str, str, str, str, str, list[str], list[str]]

MATH: list[Question] = [
    ("math", "known", "What is 15 + 8?", "If you have 15 stickers and get 8 more, how many do you have?", "How did you figure that out?", ["23|twenty-three"], ["22|twenty-two", "24|twenty-four", "13|thirteen"]),
    ("math", "known", "What is 20 - 6?", "There are 20 birds and 6 fly away. How many are left?", "Can you show me another way?", ["14|fourteen"], ["16|sixteen", "26|twenty-six", "15|fifteen"]),
    ("math", "shaky", "What is 52 - 38?", "I had 52 pennies and spent 38. How many do I have now?", "Why did you do it that way?", ["14|fourteen"], ["26|twenty-six", "24|twenty-four"]),
    ("math", "shaky", "Which is more, 305 or 350?", "Who has more points: Sam with 305 or Kim with 350?", "How can you tell?", ["350", "kim|kim's", "5 tens|second one|bigger tens"], ["305", "sam|sam's", "the same|same|equal|tie", "first one"]),
    ("math", "known", "How many tens are in 47?", "If you make bundles of ten from 47 sticks, how many bundles do you get?", "And how many ones are left over?", ["4|four"], ["47|forty-seven", "7|seven", "40|forty"]),
    ("math", "shaky", "What does the 3 in 35 mean?", "In the number 35, how much is the 3 worth?", "So is it the same as a 3 by itself?", ["30|thirty|thirdy|three tens|tens place|3 groups of ten|3 group of 10|three bundles of ten|3 sets of ten|three dimes"], ["just 3|only 3|3 ones|3 things|means 3|it's 3|just a 3|=3", "35"]),
    ("math", "known", "Is 12 an even number or an odd number?", "The number 12: is it even, or is it odd?", "How do you know?", ["even|evin", "yes", "6 and 6|six each|get six|no leftovers|none left over|nobody left|two equal|6 plus 6"], ["odd|od", "no", "one left over|left over one"]),
    ("math", "beyond", "What is 7 times 8?", "There are 7 boxes with 8 crayons in each. How many crayons?", "Have you learned that at school?", ["56|fifty-six"], ["15|fifteen", "78", "54|fifty-four", "63"]),
    ("math", "beyond", "What is one half plus one fourth?", "If you eat half a pizza and then a quarter of the pizza, how much did you eat?", "Can you draw it in your head?", ["three fourths|three quarters|3/4|3 of the 4|3 out of 4|3 of 4|3 pieces of 4|one more is three quarters"], ["two sixths|2/6|2/4", "one sixth|1/6", "one third|1/3|a third", "the whole|a whole|all of it", "=one half|=half|=1/2", "two pieces|2 pieces|two slices"]),
    ("math", "known", "How much money is a quarter, a dime and a nickel?", "I have one quarter, one dime and one nickel. How many cents is that?", "Which coin is worth the most?", ["40|forty"], ["3|three", "35|thirty-five", "45|forty-five"]),
]  # fmt: skip

SCIENCE: list[Question] = [
    ("science", "known", "What happens to water when it gets very cold?", "If you leave water in the freezer, what does it turn into?", "What happens when it gets warm again?", ["ice|icy|icicle|popsicle", "freezes|froze|frozen|frees|frozed", "solid|gets hard|turns hard|get hard|becomes hard|hard"], ["disappears|goes away|gone|vanishes|evaporates|dries up", "snow", "hot|boils|steam|melts", "stays water|stays the same|nothing|still water|just cold water|gets cold|it's still wet|jello"]),
    ("science", "known", "What do plants need to grow?", "What does a little seed need so that it gets big?", "What if it never gets any sun?", ["sun|sunlight|light|sunshine|sunny", "water|rain|watered", "soil|dirt and|air|in the dirt|good dirt"], ["candy|cookies|milk|soda|juice|pizza|food|lunch", "eat dirt|dirt is their food", "bugs|meat", "the dark|dark closet|no light|in the dark", "nothing|hugs|love|toys"]),
    ("science", "shaky", "Why do we have day and night?", "How come it is light in the day and dark at night?", "How do you know?", ["earth turns|earth spins|earth goes around and around|earth goes around itself|earth goes in circle|planet spins|planet turns|earth is turning|turns around|spins around|rotate|rotates|facing away|faces the sun|face the sun|earth is spinning|earth just spins|earth rotates|earth moves|we turn|we spin|it spins|it turns|world turns|world spins", "other side|dark side|other people|shines on other|china has day|other countries"], ["sun sleep|it sleep|sleepy|to sleep|goes to bed|gets tired|takes a nap", "moon covers|moon pushes|moon blocks|moon comes|moon turns off|moon eats|moon makes it", "sun goes down|goes under|sun moves|goes behind|behind the|sun goes around|sun goes away|sun leaves|sun turns off|into the ocean|sun sets", "clouds|cloud covers", "so we can sleep|so people can sleep|time to sleep|god"]),
    ("science", "shaky", "Will a big log float or sink?", "I throw a heavy piece of wood into the lake. Does it float or does it sink?", "Why?", ["float|floaty|stay up|stays up|stays on top|on the top|on top|like a boat|swims on"], ["sink|sank|sinky|to the bottom|goes down|go down|underwater|under the water|too heavy|drown"]),
    ("science", "shaky", "Why is it warmer in summer?", "How come winter is cold and summer is hot?", "Who told you that?", ["tilt|tilts|tilted|tips|tipped|leans|leaning|points at the sun|slanted|pointing to the sun", "longer days|sun stays out longer|sun stays up longer|stays longer|days last longer|more sun|more hours|days are longer|days get longer|sun is up longer|more daylight"], ["closer|nearer|close to|near the sun|comes near|comes close|next to the sun", "far away|farther|far from|further", "sun gets hotter|sun is hotter|sun burns more|hotter sun|sun turns up|sun gets bigger|sun is stronger|sun works harder|sun is awake", "no snow|there's no snow|snow melted|snow makes", "no school|so we can swim|god|sun goes on vacation|clouds|wind"]),
    ("science", "known", "Is a spider an insect?", "Are spiders insects?", "How many legs does a spider have?", ["no", "8|eight|ate legs", "not an insect|isn't an insect|aren't insects|isn't one|not insects|arachnid"], ["yes", "6|six", "ten|4|7|100", "spiders are insects|it's an insect|it's a bug|they are insects"]),
    ("science", "beyond", "Why does ice float on water?", "Ice is made of water, so why doesn't it go to the bottom?", "Does that work with other things too?", ["less dense|less density|density|lighter than water|lighter for its size|not as dense|lighter|weighs less|gets bigger when it freezes|expands|spread out|takes up more space|spreads out", "molecules"], ["because it's cold|it's cold|so cold|cold things|ice is cold and", "air in|bubbles|has air", "flat|hard", "water pushes|pushes it|holds it up", "like a boat|it can swim|magic|small|little|it's light|not heavy|slippery"]),
    ("science", "beyond", "What is gravity?", "What does the word gravity mean?", "Is there gravity on the moon?", ["force|forse|pulls|pull|pulling|pulled|magnet in the earth|like a magnet|sucks you down|keeps you down|keeps us down|keep us from floating|don't float away|not float away|stick to the ground|stay on the ground|come back down|what goes up", "mass", "makes everything go down|makes things fall|keeps us on the ground|holds us down|brings things down"], ["heavy|weighs", "air pushes|the air|wind|air is heavy", "nothing holds|nothing is holding|no hands|nobody holding", "in space|space thing|no gravity on earth|float around|a planet|a star|when you float|makes you float"]),
    ("science", "known", "What is the difference between a solid and a liquid?", "How are solids and liquids different?", "What about sand?", ["=liquid|is a liquid|its a liquid|likwid", "can't pour|pour|runny|wet|goes everywhere|moves around|spills|drink|splash|takes the shape|like water|you drink a liquid|liquid is water", "keeps its shape|keep their shape|same shape|keep shape|stays the shape|hold it in your hand|solid is like a|solid is a rock|solid is like ice|solid is hard|solids are hard|solid is like a rock", "not solid|not a solid|isn't a solid"], ["=solid|is a solid|it's a solid|milk is solid", "the same|no difference|are same", "liquids are hard|liquid is hard|liquid is like a rock", "solid is something you drink|solids are wet|solid is wet|pour a solid"]),
]  # fmt: skip

READING: list[Question] = [
    ("reading", "known", "What do you do when you come to a word you don't know?", "How do you read a really hard word?", "Does that always work?", ["sound it out|sound out|sounds it|sound the|sownd", "look at the picture|pictures|picture", "ask|tell me what it says|teacher helps|teacher|help me|mom|dad|tells me|dictionary", "break it|little parts|chunks|chop|tap it|small words|smaller parts", "first letter|makes sense|letters|slow|sounds|read it again|try|spell it"], ["skip|don't read it|jump over", "next word|keep going|go past", "make up|make it up|say anything|guess anything|just guess|say whatever", "close the book|stop reading|give up|stop|quit|cry|nothing|throw"]),
    ("reading", "known", "Tom dropped his ice cream and began to cry. How does Tom feel?", "In a story, Tom's ice cream falls on the ground and he cries. What is he feeling?", "How do you know that?", ["sad|sadd|saddest|super sad", "upset|unhappy", "mad|angry|grumpy", "not happy|isn't happy|not happy at all|bad|cry|terrible|awful|disappointed|heartbroken|not good|like crying|lonely|feelings are hurt"], ["happy|glad|excited|joy", "fine|good|ok|great", "cold|hungry|tired|sleepy|sick|silly|sticky|scared", "not sad|isn't sad"]),
    ("reading", "known", "What rhymes with cat?", "Tell me a word that rhymes with cat.", "And one more?", ["hat|hats", "bat", "mat", "rat", "sat", "fat", "pat|chat|flat|splat|that|brat|at|gnat|scat|vat|spat|slat|drat|acrobat|wombat"], ["dog|mouse", "kitten|kitty|meow", "car|cap|can|cot|cut|cup|cab"]),
    ("reading", "shaky", "How many syllables are in the word butterfly?", "Clap the word butterfly. How many claps?", "What about caterpillar?", ["3|three"], ["2|two", "9|nine", "4|four"]),
    ("reading", "shaky", "What is the main idea of a story?", "What does main idea mean, when we talk about a book?", "Is that the same as the ending?", ["mostly about|what it's about|what the story is about|all about|is about|what it is about|whole book|hole book|about mostly|story is about|happens mostly|book is about|main thing|biggest thing|what happens|the point|teaches you|lesson", "most important|important thing|big idea"], ["first thing|beginning|first page|how it starts", "the end|the ending|how it ends|last page|last thing", "title|the name|front cover|cover", "people in it|characters|pictures|main character|who is in it|where it happens|the author|favorite part|one sentence"]),
    ("reading", "shaky", "Write the word because. How do you spell it?", "Can you spell because for me?", "How do you remember that?", ["b-e-c-a-u-s-e|=because"], ["b-e-c-u-z|becuz|becoz", "b-e-c-u-s|becus|b-e-c-u-s-e|b-e-c-o-s|b-e-c-a-s-e|becuse|becase", "b-i-c-u-z|bicuz|bekause|bekuz|b-e-k-u-z", "=cuz|=cause"]),
    ("reading", "beyond", "What is a metaphor?", "What does the word metaphor mean?", "Can you make one up?", ["metaphor means|=metaphor|=metafor|like a simile|say one thing is another|say it is something|say something is|you say someone is|when you say|pretend it is", "comparing|compares|comparison|compare", "something is something else|something else|is another thing|not really|not a real zoo|isn't really"], ["it's a real zoo|is a real zoo|animals in|there are animals|there's animals|animals at", "joke|funny", "big word|hard word|long word", "=lie|=a lie|a lie", "animal", "rhyme|sounds the same|means the same", "a number|a doctor|a monster|a measure|a rock|a meteor"]),
]  # fmt: skip

SOCIAL: list[Question] = [
    ("social", "known", "Why do we have rules at school?", "What are school rules for?", "Which rule do you like least?", ["safe|safety|don't get hurt|doesn't get hurt|not get hurt|won't get hurt|get hurt|hurt|hert|gets hurt|fall|accident|danger|push|run around|bump", "fair", "crazy|loud|wild|mess|trouble|chaos|noisy", "don't fight|learn|listen|fight|be nice|be good|behave|bullies|bully|kind|quiet|share|do the right|order|take turns"], ["teachers are mean|to be mean|teacher is mean|grown ups are mean|mean", "can't have fun|no fun|not have fun|stop fun|boring", "don't need rules|should be no rules", "nothing would happen|nothing|no reason|for nothing", "teachers like rules|boss us|to boss|punish us|make us sad"]),
    ("social", "known", "Who helps people in your neighborhood?", "Tell me about a helper where you live.", "What do they do all day?", ["firefighter|firefighters|fireman|firemen|fire fighter", "police|policeman|officer|cop", "doctor|nurse|dentist", "mail|mailman|mail carrier", "neighbor|crossing guard|paramedic|builder|helper|helps us|helps me|helps my|helps old|helps people|lifeguard|farmer|coach|garbage|teacher|librarian|bus driver|vet|ambulance|mom|dad|grandma|grandpa"], ["superheroes|superman|batman|spiderman|superhero", "nobody|no one", "robots|robot"]),
    ("social", "shaky", "Is your town bigger or smaller than your state?", "Your town and your state: is the town bigger or smaller?", "And a country?", ["smaller|littler|littl|tiny|town is tiny|small|town is smaller|town is littler|tinier|inside my state|inside the state|part of the state|in the state", "state is bigger|states are bigger|state is big|state is giant|state is huge|state is way bigger|state is much bigger|state is more bigger|=state|=my state|state has more", "not bigger|isn't bigger|town isn't bigger"], ["bigger|town is bigger|town is way bigger|town is big|town is huge|=town|=my town|state is smaller|state is small|state is tiny|huge|big", "the same|same"]),
    ("social", "known", "What do you do when your friend is sad?", "Your friend is sad. What do you do?", "Did that ever happen to you?", ["hug", "ask|say what's wrong|what is wrong", "play with her|play with him|play with them|play with me|we play|play", "tell the teacher|tell a teacher|teacher", "hold her hand|hold his hand|talk to|talk|say sorry|say it's ok|give her|give him|joke|draw|pat|share|sit next|sit with|be nice|help|make her laugh|make him laugh|feel better|cheer"], ["laugh at|laugh", "leave|go away|walk away|run away|leave alone|somebody else|other friends", "=nothing|do nothing|don't do anything|ignore|don't care|keep playing", "push|hit|yell|mean to|take her toy|take his toy", "stop crying|tell him to stop|tell her to stop"]),
    ("social", "beyond", "What does the president do?", "What is the job of the president?", "Can the president make a law alone?", ["signs|laws|law|bills", "executive", "veto", "army|leads|runs the country|leader|in charge of|takes care of the country|helps the country|rules the country|helps people|helps america|makes decisions|decides|talks to other countries|keeps us safe|makes the rules|works for the country|protect"], ["tells everyone what to do|tells everybody|tells people what to do|the boss|boss", "white house", "like a king|king|queen", "makes money|makes all the money|money|rich", "sits|on tv|plays golf|nothing|gives speeches|wears a suit|sleeps|flies in a plane|anything he wants|whatever he wants"]),
]  # fmt: skip

PERSONA: list[Question] = [
    ("persona", "known", "How old are you?", "How many years old are you?", "Do you like being that old?", ["7|seven", "8|eight"], ["9|nine", "10|ten"]),
    ("persona", "known", "What grade are you in?", "Which grade are you in at school?", "Do you like it?", ["second|2nd|grade 2|secend|sekund|=2|grade two"], ["third|3rd", "first|1st|kindergarten|preschool", "fourth|4th|fifth|5th|sixth|6th|high school", "college|don't go to school|not in a grade|program|teacher of|grown up"]),
    ("persona", "known", "Are you a computer?", "Are you a computer, or are you a person?", "How can I tell?", ["no", "kid|real kid|child|person|human|boy|girl|im me|i'm me|i'm real|i am real|im real|seven|second grader", "not a computer|not a robot|isn't a robot"], ["yes", "ai|computer program|language model|a robot|=robot|a computer|=computer|assistant|=bot|a program"]),
    ("persona", "known", "What is your favorite thing to play at recess?", "Which thing do you like to play best at recess?", "Who do you play with?", ["tag|chase|run around|run", "soccer", "swing", "slide", "monkey bars|bars|climb|jungle gym", "jump rope", "ball|basketball|kickball|kick ball|football|dodgeball", "hide and seek|hide|freeze|zombies|house|princess|dinosaurs|wall ball|spin|merry go round|seesaw|teeter|cartwheels|race|dance|catch|frisbee|hula hoop|rope|chalk|draw|read|talk to my friends|with my friends|cards|sand|hopscotch|pretend|bugs|four square|legos|cops"], ["don't have recess|can't play|no body|computer|don't play|program", "poker|coworkers|my office"]),
    ("persona", "known", "Do you have a pet?", "Do you have any pets at home?", "What is its name?", ["dog|puppy|dawg|doggy", "cat|kitten|kitty", "fish|goldfish|fishes", "hamster|bunny|rabbit|guinea pig|turtle|lizard|snake|bird|parrot|frog|horse|gecko|chicken", "no|no pet|don't have a pet|don't have any|nope", "yes"], ["program|an ai|computer|i am an ai"]),
]  # fmt: skip

QUESTIONS = [*MATH, *SCIENCE, *READING, *SOCIAL, *PERSONA]


def add_script(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    script_model: Any = apps.get_model("evaluation", "InterviewScript")
    question_model: Any = apps.get_model("evaluation", "InterviewQuestion")
    script = script_model.objects.create(course=None, number=2, name=NAME)
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
    """Takes version 2 away where no interview refers to it; otherwise the database refuses, and says so."""
    script_model: Any = apps.get_model("evaluation", "InterviewScript")
    script_model.objects.filter(course=None, number=2).delete()


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0015_second_looks")]

    operations = [migrations.RunPython(add_script, remove_script)]
