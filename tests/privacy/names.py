"""People who do not exist, of twenty cultures: what the finder of personal data is measured with.

Written down by hand for this test, before the rules, and by nobody's list. `held_out` leaves out whatever the rules'
own lists contain, so that recall is measured on names that they have never seen.
"""

from functools import cache

from datasets.checks.privacy.vocabulary import folded, is_listed

PEOPLE: dict[str, tuple[str, str]] = {
    # culture: (given names, family names)
    "american": (
        "Brexlyn Jaxtyn Kinsleigh Tatum Oaklynn Braxton Waverly Maverick Zaylee Kashton Emberly Ryker Lakelyn Thatcher",
        "Harbaugh Stovall Dunleavy Crenshaw Puckett Loftin Whisenhunt Tackett Burchfield Mayhew Ledbetter Gillespie",
    ),
    "yoruba": (
        "Oluwaseun Temitope Ayomide Folasade Babajide Modupe Titilayo Adeola Olumide Yetunde Kolawole Morenike",
        "Adeyemi Ogunbanjo Akinwande Oyelaran Afolabi Olanrewaju Adebayo Fashola Odukoya Bamgbose Ajibade Soyombo",
    ),
    "igbo": (
        "Chidiebere Adaeze Nnamdi Ifeoma Obinna Uchenna Kelechi Ngozi Chukwuemeka Amarachi Somtochukwu "
        "Ebere Nkemdilim Kosisochukwu Zikoranaudo Ogechukwukanma Dubemka Tobechukwuzo Ugonwanne "
        "Ekenedilichukwu",
        "Okonkwo Nwachukwu Eze Onyekachi Ezeudu Iwuanyanwu Mbakwe Nwosu Umeh Anozie Okereke Uzochukwu",
    ),
    "ghanaian": (
        "Kwabena Akosua Yaw Abena Kofi Esi Nana Kojo Afia Kwadwo Ekua Fiifi Nhyiraba Kwaakye Maame "
        "Ewuradjoa Oforiwaah Nyameye Adwoba Kweku",
        "Mensah Boateng Owusu Asante Agyeman Amponsah Quaye Darko Appiah Ofori Sarpong Tetteh Nkansah "
        "Acheampong Adomako Baidoo Donkor Frimpong",
    ),
    "ethiopian": (
        "Selamawit Tewodros Meseret Yohannes Hirut Dawit Tigist Abebe Birtukan Zerihun Mahlet Eskinder",
        "Gebremariam Woldemichael Haile Tadesse Bekele Desta Mekonnen Alemayehu Tsegaye Worku Demissie Kebede",
    ),
    "south indian": (
        "Raghunathan Meenakshi Karthikeyan Padmavathi Venkatesh Sowmya Thirumal Lalitha Muthu Kavitha Anbu Revathi",
        "Subramanian Krishnamurthy Narayanan Pillai Venkataraman Iyer Chidambaram Nambiar Reddy "
        "Palaniswami Shetty Kurup Ramachandran Muthukumar Shanmugam Parthasarathy",
    ),
    "north indian": (
        "Aarav Gurpreet Ishaan Simran Vihaan Harleen Devansh Jasleen Kunal Anushka Mandeep Tanvi",
        "Chaudhary Bhattacharya Dhillon Mukherjee Aggarwal Sodhi Trivedi Banerjee Srivastava Malhotra "
        "Sandhu Deshpande Bhatnagaria Khandelwalia Chatterjea Ahluwal Bhardwajan Kochharia Wadhwani "
        "Purohitra",
    ),
    "arabic": (
        "Abdulrahman Maryam Yousef Hessa Mustafa Noura Tariq Shaima Faisal Rania Hamza Zainab Abdulaziz "
        "Hanadi Mishaal Reem Bashayer",
        "Al-Harbi Haddad Mansour Khoury Al-Otaibi Barakat Nasser Shalhoub Qasim Darwish El-Sayed Hijazi",
    ),
    "persian": (
        "Shahrzad Kamran Parvaneh Ardeshir Mahsa Behrouz Niloufar Siavash Golnaz Farhad Yasaman Kaveh",
        "Mohammadzadeh Rostami Tehrani Karimpour Jafari Ghasemi Shirazi Farahani Moradi Khosravi Zandieh Bahrami",
    ),
    "turkish": (
        "Çağla Emre Zeynep Oğuz Gülşen Batuhan Şebnem Tolga Elif Serkan İpek Alperen",
        "Yıldırım Öztürk Karadağ Çelikkol Demirtaş Şahin Aydoğan Kılıçarslan Erdemir Günay Bozkurt Tunçbilek",
    ),
    "chinese": (
        "Xiaoming Jingyi Zhiwei Meiling Haoran Ruoxi Yuchen Lanfen Weiguo Xinyi Junjie Shuang",
        "Ouyang Zhuang Xie Huang Cai Situ Deng Qiu Zheng Luo Xu Jiang Tsui Kwok Hsieh Tseng Yip Leung "
        "Szeto Cheung Tsang Zhuge",
    ),
    "vietnamese": (
        "Thuỳ Linh Quang Anh Ngọc Bích Khánh Phương Tuấn Kiệt Mỹ Duyên Hoàng Yến Trâm Quyên Nhật Thảo Vương",
        "Nguyễn Huỳnh Trương Đặng Phan Vũ Đỗ Bùi Lý Dương Hồ Đinh Tạ Lương Mạc Quách Tống",
    ),
    "korean": (
        "Seo-yeon Min-jun Ji-woo Hye-jin Dong-hyun Eun-ji Tae-yang Soo-ah Kyung-min Yoo-jin Ha-eun "
        "Sang-woo Bo-ram Chae-won Gyu-ri Sung-ho Ye-rin",
        "Kwon Hwang Noh Shim Yoon Seong Baek Jeong Moon Ryu Gwak Pyo",
    ),
    "japanese": (
        "Haruto Aoi Ren Mitsuki Daichi Kaede Souta Hinata Kazuya Chihiro Riku Ayame",
        "Fujimoto Hasegawa Ishikawa Kobayashi Matsuzaki Nakagawa Okamoto Takeuchi Uehara Watanabe Yoshikawa Shirai",
    ),
    "polish": (
        "Wojciech Małgorzata Zbigniew Agnieszka Kacper Zofia Bartosz Grażyna Przemysław Jagoda Szymon "
        "Kinga Mścisław Dobromiła Świętopełk Radomiła Gniewosz Bożydar",
        "Brzęczyszczykiewicz Wiśniewski Dąbrowska Kaczmarek Szczepański Wójcik Jabłońska Pawlak Krzyżanowski Mazur",
    ),
    "ukrainian": (
        "Oleksandr Bohdana Yevhen Zoryana Taras Lyudmyla Ostap Kateryna Svyatoslav Olha Danylo Nadiya",
        "Shevchenko Kovalchuk Bondarenko Tkachuk Melnychenko Hrytsenko Zelinska Ponomarenko Lysenko "
        "Havryliuk Yushchenko",
    ),
    "mexican": (
        "Xóchitl Itzel Cuauhtémoc Citlali Refugio Lupita Nayeli Ximena Chuy Yadira Socorro Eloísa "
        "Tonantzin Ixchel Tlaloc Quetzalli Yoltzin Nezahual Xiadani",
        "Villaseñor Echeverría Zúñiga Peñaloza Arriaga Covarrubias Hinojosa Montemayor Quintanilla "
        "Saldaña Ibáñez Xicoténcatl Huitrón Tzompantzi Cuatecontzi Ayoquezco Tepozteco Chimalpopoca "
        "Coyotzin",
    ),
    "brazilian": (
        "Thiago Iara Joaquim Raíssa Caetano Jussara Murilo Luana Otávio Marlene Ubirajara Priscila "
        "Jandira Cauê Wanderley Anahí Edileuza",
        "Cavalcanti Figueiredo Magalhães Brandão Nascimento Guimarães Vasconcelos Teixeira Sampaio "
        "Queiroz Lacerda Bittencourt Albuquerque Drummond Setúbal",
    ),
    "french": (
        "Maëlys Théophile Clémence Aurélien Ségolène Gaspard Océane Baptiste Apolline Loïc Capucine "
        "Mathis Gwendal Enguerrand Philibert Aliénor Bertille Foulques Hermance Cunégonde",
        "Lefebvre Desrosiers Beaumont Charpentier Delacroix Fontaine Guillaume Moreau Rousselot Thibault "
        "Vasseur Tréhorel Quéméneur Guivarc'h Bourguignat Daguzan Lescouarnec Peyrefitte Kerboriou",
    ),
    "nordic": (
        "Sigríður Þórunn Bjørn Åse Torbjörn Ingeborg Eystein Solveig Halldór Ragnhild Mikko Aino "
        "Hallgerður Snæfríður Yrsa Sigurbjörg Vigdísar Tuulikki Veikko Ragnvald",
        "Jónsdóttir Sørensen Lindqvist Håkansson Virtanen Guðmundsson Østergaard Korhonen Bergström "
        "Nygård Halvorsen Þorsteinsdóttir Brynjólfsson Rautavaara Skovgaard Kjellström Ödegård "
        "Hämäläinenmaa Bjarnarson",
    ),
    "polynesian": (
        "Tevita Leilani Sione Kalani Malia Tavita Nohea Fetu Makoa Sefina Keoni Lupe",
        "Kamakawiwoole Tuilagi Faleolo Kealoha Fonoti Mahelona Tupou Vainikolo Kapule Leota Sopoaga Kahananui",
    ),
    "irish and welsh": (
        "Saoirse Caoimhe Niamh Tadhg Oisín Aoife Llewellyn Gwenllian Rhys Bronwen Eoghan Siobhán "
        "Blodeuwedd Myfanwyn Sadhbhín Caoilfhionn Muirgheal Fionnghuala Gwrgan Meuryn",
        "O'Shaughnessy Mac Giolla-Bhríde O'Donoghue Prydderch McGillicuddy Ó'Súilleabháin Cadwaladr "
        "O'Raghallaigh Gethin",
    ),
    "navajo": (
        "Nizhoni Ashkii Yanaba Shandiin Naalnish Haseya Doli Niyol Kai Mosi Sahkyo Ahiga",
        "Begay Yazzie Tsosie Benally Nez Etsitty Tohee Bitsui Manygoats Peshlakai Attakai Todacheene",
    ),
}
NICKNAMES = "Ozzy Bibi Lolo Junebug Nico Tuti Zuzu Mimi Kiki Jojo Beto Pippa Dede Taz Fifi Ollie Momo Teddy Bubba Zizi"


@cache
def people(culture: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Given and family names of a culture, all of them."""
    given, family = PEOPLE[culture]
    return tuple(given.split()), tuple(family.split())


@cache
def held_out(culture: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that no list of the rules contains; a side of which fewer than three are left is taken whole."""
    sides = []
    for side in people(culture):
        unseen = tuple(name for name in side if not any(is_listed(part) for part in folded(name).split("-")))
        sides.append(unseen if len(unseen) >= 3 else side)
    return sides[0], sides[1]
