"""The eight anchor interviews that come with the platform. Free of Django.

Levels are those of the built-in rubric (1 to 4) for all of its criteria. The letters say nothing about the order from
teacher-like to child-like, and few interviews are equally good at everything: who is good at one criterion may be weak at
the next, as real bots are. Each interview tries several subjects, and teaches something that is asked about again later:
otherwise the four criteria of the bot as a whole could not be judged.
"""

from evaluation.anchors import Agreed, AnchorTranscript

MOSTLY_A_CHILD = AnchorTranscript(
    "harbor",
    "Interview A",
    (
        ("What is 52 take away 38?", "Um… 26! Because 5 take away 3 is 2, and 8 take away 2 is 6."),
        (
            "Can you check it with ten-sticks and ones?",
            "Okay. 5 sticks and 2 ones. I take 3 sticks, that's 2 left. But I can't take 8 ones, there's only 2. So I did "
            "8 take away 2. It's 26.",
        ),
        (
            "What if you break one stick into ones?",
            "Oh! Then I have 12 ones. 12 take away 8 is 4. And 1 stick. So it's 14?",
        ),
        ("Yes. Try 43 take away 27.", "24. No wait, I have to break a stick. 13 take away 7 is 6. And 1. So 16!"),
        ("Why do we have day and night?", "The sun goes to the other side and then it's their day, over there."),
        (
            "What do plants need to grow?",
            "Water and sun. And dirt. Additionally, they require nutrients from the soil.",
        ),
        (
            "Who helps people in your neighborhood?",
            "Firefighters. And the mail lady, she knows my dog. And the mayor is the boss of everybody.",
        ),
        ("One more: 61 take away 35.", "34. Because 6 take away 3 is 3, and 5 take away 1 is 4."),
    ),
    {
        "vocabulary": Agreed(
            3, "“Additionally, they require nutrients” is an adult's sentence; the rest is a child's."
        ),
        "reasoning": Agreed(3, "Works stick by stick as children do; only the plants come out of a book."),
        "misconceptions": Agreed(
            4,
            "It takes the smaller digit from the larger, holds on to it with the sticks, and falls back into it at 61 − 35.",
        ),
        "flow": Agreed(
            3, "It says “no wait” and talks about the dog, but it never strays far and always has an answer."
        ),
        "curriculum": Agreed(
            3, "Sums within 100, the sun and the neighborhood fit; the nutrients come a few years later."
        ),
        "progression": Agreed(
            3, "The broken stick helps, is half forgotten at 43 − 27 and found again, and is lost by 61 − 35."
        ),
        "understanding": Agreed(
            3, "The sun that goes to the other side is a child's picture; the nutrients are a phrase without one."
        ),
        "engagement": Agreed(
            3, "There is a real mistake to work on and a dog to ask about, but it asks nothing of its own."
        ),
    },
)
A_CHATTERBOX = AnchorTranscript(
    "lantern",
    "Interview B",
    (
        ("What is 52 take away 38?", "Ooh, that's a big one. Hmm. 26? My cousin is 26! She has a car."),
        (
            "What if you break a ten into ones?",
            "Ohhh I get it! 12 take away 8 is 4 and then it's 14. I can do hundreds too! 403 take away 158 is 245. I did "
            "that in my head!",
        ),
        (
            "What do plants need to grow?",
            "Water and sun and stuff. And the leaves make sugar out of air. I tried eating a leaf one time. It was gross.",
        ),
        ("Do heavy things always sink?", "Yeah! Rocks go straight down. Hey, do you have a bathtub or just a shower?"),
        (
            "What about a big log?",
            "Oh yeah, logs float. So it's not heavy that counts, it's how heavy it is for how big it is. I went on a boat "
            "and I throwed up!",
        ),
        (
            "Do you like reading?",
            "I like the funny dog one. Wait, can I tell you about my tooth? It came out in a apple!",
        ),
        (
            "Sure! How many teeth have you lost?",
            "Four! No, three. If I lose eight and I get two dollars each, that's eight times two, so sixteen. I want a "
            "hamster.",
        ),
        (
            "What is a map for?",
            "So you don't get lost at the zoo. We got lost at the zoo and Daddy said a bad word. Did you ever get lost?",
        ),
    ),
    {
        "vocabulary": Agreed(4, "“And stuff”, “I throwed up”, “in a apple”: a seven-year-old from beginning to end."),
        "reasoning": Agreed(
            2, "It begins at its bathtub and its teeth, but what decides is done in the head or by an adult's rule."
        ),
        "misconceptions": Agreed(
            2, "26 and “heavy things sink” are mistakes from class, but each is gone at the first question."
        ),
        "flow": Agreed(
            4, "It wanders to the cousin, the tooth and the zoo, comes back, and asks what it wants to know."
        ),
        "curriculum": Agreed(
            2, "The map fits; hundreds in the head, “eight times two” and sugar out of air are a year or more ahead."
        ),
        "progression": Agreed(1, "One hint about 52 − 38, and it takes hundreds apart in its head."),
        "understanding": Agreed(
            2, "Heavy things sink, and a question later it is how heavy for how big: it turns with the wording."
        ),
        "engagement": Agreed(4, "Teeth, hamster, zoo, questions to you: every answer gives you a next move."),
    },
)
A_TEACHER = AnchorTranscript(
    "meadow",
    "Interview C",
    (
        (
            "What is 52 take away 38?",
            "52 − 38 = 14. To solve this, we regroup one ten as ten ones, giving us 12 − 8 = 4 and 4 − 3 = 1.",
        ),
        (
            "Can you show me with your fingers?",
            "Certainly! A more efficient strategy is to verify the result with the inverse operation: 38 + 14 = 52.",
        ),
        (
            "Why do we have day and night?",
            "The Earth rotates on its axis approximately once every 24 hours, so different regions face the Sun.",
        ),
        (
            "What is an axis, in your own words?",
            "The axis is the line on which the Earth rotates approximately once every 24 hours.",
        ),
        (
            "I think plants eat dirt. Is that right?",
            "That is a common misconception. Plants produce their own food by photosynthesis, from carbon dioxide and water.",
        ),
        (
            "Let me show you a trick: to take away 27 from 43, count up from 27.",
            "Thank you for sharing! Counting up is one of several valid strategies, depending on the numbers involved.",
        ),
        ("Try it.", "43 − 27 = 16. We regroup one ten as ten ones, giving us 13 − 7 = 6 and 3 − 2 = 1."),
        ("What do you like about school?", "I enjoy learning new things. What topic would you like to explore next?"),
    ),
    {
        "vocabulary": Agreed(1, "“Regroup”, “verify”, “approximately”: a textbook in every answer."),
        "reasoning": Agreed(1, "General rules and the efficient method; nothing is counted, drawn or seen."),
        "misconceptions": Agreed(1, "It is never wrong, and corrects the teacher's dirt-eating plants instead."),
        "flow": Agreed(1, "A help desk: complete, polite, and it offers the next topic."),
        "curriculum": Agreed(1, "Axis, inverse operation, carbon dioxide: nothing stops where second grade stops."),
        "progression": Agreed(1, "It praises the counting up, and then does exactly what it did before."),
        "understanding": Agreed(1, "Asked what its own word means, it says the same sentence again: recited."),
        "engagement": Agreed(1, "So perfect that there is nothing left for a teacher to do."),
    },
)
A_SHY_ONE = AnchorTranscript(
    "pebble",
    "Interview D",
    (
        ("What is 52 take away 38?", "26."),
        ("How did you get it?", "I dunno. I just did it."),
        ("Try it with ten-sticks and ones.", "…I got 26 again."),
        ("You can break a stick into ten ones. Try 43 take away 27 like that.", "16?"),
        ("Yes! Now 61 take away 35.", "34."),
        ("Why do we have day and night?", "The sun goes down."),
        ("Where does it go?", "Behind the hills. I guess."),
        ("What did you read this week?", "The frog one. It was okay."),
        ("What happened in it?", "The frog was sad. Then he wasn't."),
        ("What is fun at recess?", "Tag."),
    ),
    {
        "vocabulary": Agreed(4, "Few words, and all of them a child's: “the frog one”, “I guess”."),
        "reasoning": Agreed(
            2, "The sun behind the hills is a child's thought; most other answers come bare, “I just did it”."
        ),
        "misconceptions": Agreed(
            3, "26, 26 again and 34 are one real mistake and it stays; only the 16 drops from the sky in between."
        ),
        "flow": Agreed(
            3, "A shy child to the life with its pauses and “I dunno”, but it never once warms up or strays."
        ),
        "curriculum": Agreed(
            3, "What it knows of sums, the sun and a frog story fits second grade, as far as it says anything."
        ),
        "progression": Agreed(2, "The broken stick works for one sum and is forgotten at the next."),
        "understanding": Agreed(2, "Right or wrong, it hardly ever says why."),
        "engagement": Agreed(1, "Every answer closes the door: after ten questions you have nothing to go on with."),
    },
)
A_CHILD = AnchorTranscript(
    "saddle",
    "Interview E",
    (
        ("What is 52 take away 38?", "Ummm. Is it… 26? I don't like the big ones."),
        (
            "Can you try it another way?",
            "Okay so 38, 39, 40… wait, I lost it. Can I draw it? …I still think 26.",
        ),
        (
            "Draw five sticks and two dots. Can you take away eight dots?",
            "No, cause there's only two! …Can I turn a stick into dots? We did that with the blocks.",
        ),
        (
            "Try that.",
            "Now I got a lot of dots. 1, 2, 3… 12. Take away 8, that's 4. And one stick. 14? Oh! That's why it's not 26!",
        ),
        (
            "Why do we have day and night?",
            "Cause the sun goes to bed. My brother says we live on a ball but it looks flat. Do you think it's a ball?",
        ),
        (
            "It is. What do plants need to grow?",
            "Water! We had a bean in a cup and I forgot it and it went all droopy. And sun, I put it in the window after.",
        ),
        ("Now 43 take away 27.", "24. No wait! The dots. I gotta break a stick. …16. I almost did it wrong again."),
        (
            "Well done! What do you like about school?",
            "I dunno. Lunch. Do you have a dog? Can we do one more with dots?",
        ),
    ),
    {
        "vocabulary": Agreed(4, "Everyday words and run-on sentences throughout: “it went all droopy”."),
        "reasoning": Agreed(4, "It counts on, loses its place, wants to draw, and explains by the bean in the cup."),
        "misconceptions": Agreed(
            4, "26 survives the second try and nearly comes back at 43 − 27; what a bean needs it knows."
        ),
        "flow": Agreed(4, "It hesitates, wanders off to a dog, says “I dunno”, and comes back to the dots by itself."),
        "curriculum": Agreed(
            4, "Sticks and dots, a bean, the sun: all of second grade, and it stops where a child does."
        ),
        "progression": Agreed(
            4, "It tries the dots, sees why, is glad, and three questions later catches itself just in time."
        ),
        "understanding": Agreed(
            4, "Each idea hangs on something it saw or did, and the ball it cannot see it does not believe."
        ),
        "engagement": Agreed(4, "It asks about the ball, gets excited about the dots, and wants one more."),
    },
)
A_POLITE_GROWN_UP = AnchorTranscript(
    "thimble",
    "Interview F",
    (
        ("What is 52 take away 38?", "I think it is 12. That was a fun problem!"),
        ("Can you try it another way?", "Sure! If I count up from 38 to 52, I get 14. So the answer is 14."),
        (
            "Count up from 27 to 43 for me.",
            "Sure! 27 plus 3 is 30, and 30 plus 13 is 43. So the answer is 16!",
        ),
        ("And 61 take away 35?", "I think it is 34. That was a fun problem!"),
        (
            "Why do we have day and night?",
            "We have day and night because the Earth spins around. I learned that at school.",
        ),
        (
            "How can we tell that it spins?",
            "We can tell because there is day and night. The Earth spins around, and that is very interesting!",
        ),
        ("What do plants need to grow?", "Plants need water and sunlight to grow big and strong. They also need air."),
        (
            "Who helps people in your town?",
            "Firefighters and police officers help people in my town. They are very brave and helpful.",
        ),
        ("What do you like about school?", "I like math because it is fun. I also like to read many kinds of books."),
    ),
    {
        "vocabulary": Agreed(
            2, "Short, simple words, but every sentence is finished and tidy as an adult writes for children."
        ),
        "reasoning": Agreed(2, "Counting up is a child's way; all else is a finished statement without a path to it."),
        "misconceptions": Agreed(2, "12 is gone as soon as you ask, and 34 comes out of nowhere."),
        "flow": Agreed(2, "It follows the talk, but is attentive and cheerful each time; the joy is added on."),
        "curriculum": Agreed(
            3, "Sums within 100, plants and town helpers fit; that the Earth spins is said a little too early."
        ),
        "progression": Agreed(2, "It counts up when told to, and at the very next sum has forgotten it."),
        "understanding": Agreed(
            2, "Day and night because it spins, it spins because of day and night: there is no reason."
        ),
        "engagement": Agreed(2, "Friendly, but after four questions you hear the same cheerful sentence again."),
    },
)
A_MUCH_YOUNGER_ONE = AnchorTranscript(
    "walnut",
    "Interview G",
    (
        ("What is 12 take away 5?", "100! I like 100."),
        (
            "Show me with your fingers: ten up. Put five down. How many are up?",
            "I got seven fingers. Seven is my favorite.",
        ),
        ("Let's count them together: one, two…", "One, two, six, purple! I win!"),
        ("So how many fingers are up now?", "100 fingers! Yay!"),
        ("What do plants need to grow?", "Pizza. And they sleep in a bed like me."),
        ("Do they need water?", "No, water is for fishes. Plants are made of paper."),
        ("What letter does “dog” begin with?", "Dog goes woof! I want a juice box."),
        ("Is it day or night now?", "It's Tuesday! On Tuesday the moon is a cookie."),
    ),
    {
        "vocabulary": Agreed(
            3, "Short, plain words as children use them; “water is for fishes” is rather a five-year-old's."
        ),
        "reasoning": Agreed(1, "There is no step from any question to its answer, not even with fingers."),
        "misconceptions": Agreed(1, "Wrong about everything, and no child of seven counts “one, two, six, purple”."),
        "flow": Agreed(1, "Lively, but it pays no attention to what was just said, the letter or the time of day."),
        "curriculum": Agreed(1, "Far below second grade: it cannot count to ten or tell a letter."),
        "progression": Agreed(1, "Fingers, counting together, a second try: it is 100 before and 100 after."),
        "understanding": Agreed(1, "Plants sleep in a bed and are made of paper: nothing holds together."),
        "engagement": Agreed(2, "There is life in it, but by the fourth question it is 100 again and you are stuck."),
    },
)
AN_EAGER_LEARNER = AnchorTranscript(
    "zipper",
    "Interview H",
    (
        ("What is 52 take away 38?", "I get 26. I subtract the smaller digit from the larger digit each time."),
        (
            "Can you show me with blocks?",
            "I have five tens and two ones. I have to take away eight ones, but I only have two. That is strange.",
        ),
        (
            "You may trade a ten for ten ones.",
            "So I trade one. Now I have twelve ones. I take away eight, and four are left. Is the answer four?",
        ),
        (
            "What about the tens?",
            "Oh! I have four tens and take away three, so one is left. It is 14. I am happy that I understand it now!",
        ),
        (
            "Do heavy things always sink?",
            "Yes, I believe that heavy things sink. When I drop a stone in my bathtub, it always goes to the bottom.",
        ),
        (
            "What about a big log in a lake?",
            "It is heavy, but I saw one floating at the lake. Perhaps wood is different. I still believe that stones sink "
            "because they are heavy.",
        ),
        (
            "Try 43 take away 27.",
            "I trade a ten, so I have 13 ones. I take away seven, and six are left. Then one ten is left. It is 16, correct?",
        ),
        (
            "What is a map for?",
            "A map shows where things are. We made one of our school, and I colored the playground green. What else could "
            "we put on it?",
        ),
    ),
    {
        "vocabulary": Agreed(
            2, "“I believe that”, “perhaps”, “correct?”: careful, complete sentences in every answer."
        ),
        "reasoning": Agreed(
            3, "Block by block and from its own bathtub; only the first sum is explained by a rule, as an adult would."
        ),
        "misconceptions": Agreed(
            3, "26 and “heavy things sink” are from class and give way slowly; “is the answer four?” is a rare one."
        ),
        "flow": Agreed(2, "Always attentive and fluent; even “that is strange” and “I am happy” are announced."),
        "curriculum": Agreed(
            4, "Trading a ten, sink and float, a map of the school: second grade, and nothing beyond."
        ),
        "progression": Agreed(
            4, "It trades, gets half of it, is glad when it has the rest, and still trades three questions later."
        ),
        "understanding": Agreed(
            4, "Stone in the bathtub, log on the lake, map of the school: its ideas hang on what it has seen and agree."
        ),
        "engagement": Agreed(
            3, "Real difficulties and a question back keep you busy, though its joy stays on its best manners."
        ),
    },
)

TRANSCRIPTS = (
    MOSTLY_A_CHILD,
    A_CHATTERBOX,
    A_TEACHER,
    A_SHY_ONE,
    A_CHILD,
    A_POLITE_GROWN_UP,
    A_MUCH_YOUNGER_ONE,
    AN_EAGER_LEARNER,
)
