"""How GPT-SoVITS voices read numbers, dates, units, money and names: what a careful speaker would say."""

import pytest

from core.engines.gpt_sovits.text import chinese_normal, english_normal, readings

CHINESE = """
今天是2025年12月31日。 | 今天是二零二五年十二月三十一日.
生日是1998年2月2日。 | 生日是一九九八年二月二日.
会议改到2024/8/5下午。 | 会议改到二零二四年八月五日下午.
截止日期：2024-1-9。 | 截止日期,二零二四年一月九日.
1949年10月1日，新中国成立。 | 一九四九年十月一日,新中国成立.
他98年毕业，24年5月结婚。 | 他九八年毕业,二四年五月结婚.
我在这里住了12年。 | 我在这里住了十二年.
80年代的歌很好听。 | 八十年代的歌很好听.
2020-2024年间增长很快。 | 二零二零到二零二四年间增长很快.
20世纪90年代初。 | 二十世纪九十年代初.
上午9点开会。 | 上午九点开会.
现在是8:05。 | 现在是八点零五分.
闹钟定在6:30。 | 闹钟定在六点半.
地铁6:00-23:30运营。 | 地铁六点至二十三点三十分运营.
商店8:30-12:15营业。 | 商店八点半至十二点十五分营业.
比赛10:30:45开始。 | 比赛十点三十分四十五秒开始.
火车23:59到站。 | 火车二十三点五十九分到站.
电话400-820-8820。 | 电话四零零,八二零,八八二零.
请拨010-62345678转2。 | 请拨零幺零,六二三四五六七八转二.
我的手机是138-1234-5678。 | 我的手机是幺三八,幺二三四,五六七八.
打+86 13812345678找我。 | 打加八六,幺三八幺二三四五六七八找我.
急救电话120，火警119。 | 急救电话幺二零,火警幺幺九.
验证码是048213。 | 验证码是零四八二幺三.
房间号是301。 | 房间号是三零幺.
他住在1204室。 | 他住在幺二零四室.
价格是$1,250.99。 | 价格是一千二百五十点九九美元.
门票￥199。 | 门票一百九十九元.
这本书¥39.9。 | 这本书三十九点九元.
一共€50。 | 一共五十欧元.
他欠我£1,000。 | 他欠我一千英镑.
总投资3.5亿元。 | 总投资三点五亿元.
收入12万5千元。 | 收入十二万五千元.
工资5000元/月。 | 工资五千元每月.
便宜了2000元。 | 便宜了二千元.
每斤3.5元。 | 每斤三点五元.
人均1200块。 | 人均一千二百块.
融资$3.5M。 | 融资三百五十万美元.
比分是3:2。 | 比分是三比二.
以2:0获胜。 | 以二比零获胜.
比例为1:1000。 | 比例为一比一千.
胜率3比1。 | 胜率三比一.
长宽比16:9。 | 长宽比十六比九.
室温25℃。 | 室温二十五度.
最低-12°C。 | 最低零下十二度.
今天40~45°C。 | 今天四十到四十五摄氏度.
气温在-5~3°C之间。 | 气温在零下五到三摄氏度之间.
体温37.5度。 | 体温三十七点五度.
跑了5km。 | 跑了五千米.
长12.5cm，宽8mm。 | 长十二点五厘米,宽八毫米.
重3kg。 | 重三千克.
时速60km/h。 | 时速六十公里每小时.
风速5m/s。 | 风速五米每秒.
面积120m²。 | 面积一百二十平方米.
体积2m³。 | 体积两立方米.
容量500ml。 | 容量五百毫升.
频率2.4GHz。 | 频率二点四吉赫兹.
功率1500W。 | 功率一千五百瓦.
电池5000mAh。 | 电池五千毫安时.
含量5mg。 | 含量五毫克.
完成了95.6%。 | 完成了百分之九十五点六.
下降了-2%。 | 下降了负百分之二.
涨幅5%~10%。 | 涨幅百分之五到百分之十.
有3/4的人。 | 有四分之三的人.
1/2的机会。 | 二分之一的机会.
概率是0.05。 | 概率是零点零五.
圆周率是3.14159。 | 圆周率是三点一四一五九.
-5加3等于-2。 | 负五加三等于负二.
1+1=2。 | 一加一等于二.
3×4=12。 | 三乘四等于十二.
8÷2=4。 | 八除以二等于四.
10-4=6。 | 十减四等于六.
买3-5个苹果。 | 买三到五个苹果.
需要10~15分钟。 | 需要十到十五分钟.
5-6月交货。 | 五到六月交货.
每天2小时。 | 每天两小时.
2个人，2只猫。 | 两个人,两只猫.
第2名和第22名。 | 第二名和第二十二名.
2两酒。 | 二两酒.
200多人参加。 | 二百多人参加.
10余次。 | 十余次.
共1500字。 | 共一千五百字.
100次机会。 | 一百次机会.
30倍。 | 三十倍.
2000名学生。 | 二千名学生.
10086热线。 | 幺零零八六热线.
版本2.0.1发布了。 | 版本二点零点一发布了.
他考了100分。 | 他考了一百分.
5点半起床。 | 五点半起床.
房价每平米80000元。 | 房价每平米八万元.
人口14亿。 | 人口十四亿.
3:15出发。 | 三点十五分出发.
乔治·华盛顿。 | 乔治,华盛顿.
“你好”，他说。 | 你好,他说.
注意:不要迟到;带伞。 | 注意,不要迟到,带伞.
好的~ | 好的…
（小明）来了。 | 小明来了.
第100届年会。 | 第一百届年会.
邮编100084。 | 邮编幺零零零八四.
身高1.75米。 | 身高一点七五米.
王二小今年13岁。 | 王二小今年十三岁.
张三和李四各有2套房。 | 张三和李四各有两套房.
欧阳修生于1007年。 | 欧阳修生于一零零七年.
诺贝尔奖奖金为1,100万瑞典克朗。 | 诺贝尔奖奖金为一千一百万瑞典克朗.
郭靖打了降龙十八掌18次。 | 郭靖打了降龙十八掌十八次.
毛泽东1893年12月26日出生。 | 毛泽东一八九三年十二月二十六日出生.
马龙以4:1战胜对手。 | 马龙以四比一战胜对手.
姚明身高2.26米。 | 姚明身高二点二六米.
孙悟空一个筋斗十万八千里。 | 孙悟空一个筋斗十万八千里.
订单号20240815001已发货。 | 订单号二零二四零八幺五零零幺已发货.
北京到上海1318公里。 | 北京到上海一千三百一十八公里.
利率上调0.25%。 | 利率上调百分之零点二五.
含税价¥1,299.00。 | 含税价一千二百九十九元.
海拔8848.86米。 | 海拔八千八百四十八点八六米.
面积960万平方公里。 | 面积九百六十万平方公里.
本店营业时间9:00—21:00。 | 本店营业时间九点至二十一点.
二○二四年五月。 | 二零二四年五月.
净利润-3.2亿元。 | 净利润负三点二亿元.
同比-12.5%。 | 同比负百分之十二点五.
+86是中国区号。 | 加八六是中国区号.
内存16GB，硬盘1TB。 | 内存十六吉字节,硬盘一太字节.
1024次列车晚点20分钟。 | 幺零二四次列车晚点二十分钟.
他于2024-02-29离开。 | 他于二零二四年二月二十九日离开.
汇率是1美元兑7.24元人民币。 | 汇率是一美元兑七点二四元人民币.
他跑了42.195公里，用时2小时15分。 | 他跑了四十二点一九五公里,用时两小时十五分.
温度从-10℃升到15℃。 | 温度从零下十度升到十五度.
人数在100～200之间。 | 人数在一百到二百之间.
距离约3.8×10^5公里。 | 距离约三点八乘十的五次方公里.
买一送一，原价￥299，现价￥149。 | 买一送一,原价二百九十九元,现价一百四十九元.
车牌尾号是8866。 | 车牌尾号是八八六六.
公元前221年，秦统一六国。 | 公元前二百二十一年,秦统一六国.
90后和00后。 | 九零后和零零后.
周一至周五9:00-18:00。 | 周一至周五九点至十八点.
三年级2班有45名学生。 | 三年级二班有四十五名学生.
"""

ENGLISH = """
It costs $1,250.99. | It costs one thousand two hundred fifty dollars and ninety-nine cents.
The house sold for $2.5 million. | The house sold for two point five million dollars.
She won $5bn. | She won five billion dollars.
Tickets are $5-10 each. | Tickets are five to ten dollars each.
It was €50, or £1,000. | It was fifty euros, or one thousand pounds.
¥300 is cheap. | three hundred yuan is cheap.
Call 555-1234 now. | Call five five five, one two three four now.
Call (555) 123-4567 today. | Call five five five, one two three, four five six seven today.
My number is +1 555-123-4567. | My number is plus one, five five five, one two three, four five six seven.
Dial 911. | Dial nine one one.
The PIN is 0482. | The Pin is zero four eight two.
Today is May 1, 2024. | Today is May first, twenty twenty-four.
Born on 12 June 1985. | Born on the twelfth of June nineteen eighty-five.
The deadline is 2024-01-09. | The deadline is January ninth, twenty twenty-four.
It happened on 7/4/1776. | It happened on July fourth, seventeen seventy-six.
In the 1990s and the '80s. | In the nineteen nineties and the eighties.
Dec. 25 is Christmas. | December twenty-fifth is Christmas.
In 1066 and in 2005. | In ten sixty-six and in two thousand five.
From 2010 to 2024. | From twenty ten to twenty twenty-four.
The years 1914-1918. | The years nineteen fourteen to nineteen eighteen.
Meet me at 3:30 pm. | Meet me at three thirty P M.
Meet me at 7 a.m. sharp. | Meet me at seven A M sharp.
The train leaves at 14:05. | The train leaves at fourteen oh five.
At 4:00 we left. | At four o'clock A M we left.
It starts at 10:20:30. | It starts at ten twenty and thirty seconds.
Lunch is 12:30-13:30. | Lunch is twelve thirty P M to one thirty P M.
The score was 3-2. | The score was three to two.
They lost 2:1. | They lost two to one.
Aspect ratio 16:9. | Aspect ratio sixteen to nine.
It is 23°C outside. | It is twenty-three degrees celsius outside.
It was -5°C and 10°F. | It was minus five degrees Celsius and ten degrees fahrenheit.
Speed: 60km/h. | Speed, sixty kilometers per hour.
He drove 100 mph. | He drove one hundred miles per hour.
It weighs 5kg and is 10cm long. | It weighs five kilograms and is ten centimeters long.
A 500ml bottle. | A five hundred milliliters bottle.
16GB of RAM. | sixteen gigabytes of Ram.
A 2.4GHz chip at 65W. | A two point four gigahertz chip at sixty-five watts.
5m of rope and 10 ft of wire. | five meters of rope and ten feet of wire.
50% of 3/4. | fifty percent of three fourths.
Half is 1/2. | Half is one half.
Pi is 3.14159. | Pi is three point one four one five nine.
About .5 percent. | About zero point five percent.
1,234 people came. | one thousand, two hundred thirty-four people came.
1,234,567 people came. | one million, two hundred thirty-four thousand, five hundred sixty-seven people came.
10,000 steps. | ten thousand steps.
1500 people. | fifteen hundred people.
5000 people. | five thousand people.
There are 21 days. | There are twenty-one days.
He came 1st, she came 101st. | He came first, she came one hundred and first.
The 21st century. | The twenty-first century.
2 + 2 = 4. | two plus two Equals four.
2+2=4. | two plus two equals four.
10 - 4 = 6. | ten minus four Equals six.
5 x 3 metres. | five by three meters.
I have 10-15 minutes. | I have ten to fifteen minutes.
Pages 5-7. | Pages five to seven.
Version 2.0.1 is out. | Version two point zero point one is out.
COVID-19 spread in 2020. | Covid nineteen spread in twenty twenty.
GPT-4 and H100. | G P T four and H one hundred.
The Boeing 747. | The Boeing seven hundred forty-seven.
A380 flies. | A three eight zero flies.
Dr. Smith met Mr. Jones. | Doctor Smith met Mister Jones.
Mrs. Brown and Ms. Green. | Missus Brown and Ms Green.
Prof. Lee vs. Dr. No. | Professor Lee versus Doctor No.
St. Paul's church. | Saint Paul's church.
John Smith Jr. left. | John Smith Junior left.
Apples, pears, etc. | Apples, pears, et cetera.
E.g. this one. | For example this one.
That is, i.e. this. | That is, that is this.
No. 5 is alive. | number five is alive.
J. K. Rowling wrote it. | J K Rowling wrote it.
The U.S. Army. | The U S Army.
NASA and the CEO of IBM. | Nasa and the C E O of I B M.
The UN, the EU and UNESCO. | The U N, the E U and Unesco.
OpenAI's iPhone app. | Open A I's i Phone app.
PDFs and GPUs. | P D F's and G P U's.
Visit www.example.com now. | Visit W W W dot example dot com now.
Mail a.b@example.com please. | Mail A dot B at example dot com please.
Rock & roll. | Rock and roll.
You @ me. | You at me.
Item #3. | Item number three.
Henry VIII had wives. | Henry the eighth had wives.
World War II ended. | World War two ended.
Chapter IV begins. | Chapter four begins.
Yes; no: maybe. | Yes, no, maybe.
Wait... what? | Wait. what?
I left - then returned. | I left, then returned.
I left—then returned. | I left, then returned.
"Hello," she said. | Hello, she said.
(Really) good. | Really, good.
Open 24/7. | Open twenty-four seven.
He is 6'2" tall. | He is six foot two tall.
C++ and C#. | C plus plus and C sharp.
3D and 4K. | three D and four K.
5G is fast. | five G is fast.
Flight BA117. | Flight B A one one seven.
Room 204. | Room two zero four.
Mr. O'Neil owes Ms. Li $40. | Mister O'neil owes Ms Li forty dollars.
Dr. J. Watson paid £0.50. | Doctor J Watson paid fifty pence.
George W. Bush was born in 1946. | George W Bush was born in nineteen forty-six.
Queen Elizabeth II reigned 70 years. | Queen Elizabeth the second reigned seventy years.
Sen. Harris spoke at 9:15 a.m. | Senator Harris spoke at nine fifteen A M.
Louis XIV had 1,000 servants. | Louis the fourteenth had one thousand servants.
It rained 2.5 inches. | It rained two point five inches.
The 100m record is 9.58s. | The one hundred meters record is nine point five eight seconds.
He ran 26.2 miles at 12km/h. | He ran twenty-six point two miles at twelve kilometers per hour.
Earth is 4.5 billion years old. | Earth is four point five billion years old.
It grew 3.2% to 8,100,000,000. | It grew three point two percent to eight billion, one hundred million.
It rose from $1.2M to $3M. | It rose from one point two million dollars to three million dollars.
She is 5 years and 6 months old. | She is five years and six months old.
Use 1/3 cup and 2 tbsp. | Use one third cup and two tablespoons.
About 1 in 10 people. | About one in ten people.
The meeting is on Jan. 3rd, 2025. | The meeting is on January third, twenty twenty-five.
It opened in Nov. 2019. | It opened in November twenty nineteen.
See you Fri. at 5. | See you Friday at five.
He sat. Then he left. | He sat. Then he left.
It costs £3.99 per kg. | It costs three pounds and ninety-nine pence per kilogram.
Drive 25 mi. north. | Drive twenty-five miles north.
Wait 5 min. longer. | Wait five minutes longer.
He is 5 ft 10 in. tall. | He is five feet ten inches tall.
Apt. 4B is upstairs. | Apartment four B is upstairs.
Approx. 50 km away. | Approximately fifty kilometers away.
Add 3 1/2 cups. | Add three and a half cups.
It took 2 3/4 hours. | It took two and three fourths hours.
In the 2010s. | In the twenty tens.
The U.S.A. and the U.K. agreed. | The U S A and the U K agreed.
She moved to the U.K. | She moved to the U K.
WWII ended in 1945. | World War two ended in nineteen forty-five.
It is a 50/50 chance. | It is a fifty fifty chance.
After 9/11 it changed. | After nine eleven it changed.
Lt. Col. Brown called. | Lieutenant Colonel Brown called.
Tel. 020 7946 0958. | Telephone zero two zero, seven nine four six, zero nine five eight.
It cost ₽100. | It cost one hundred rubles.
Let x^2 be 4. | Let x squared be four.
It is 7 * 6. | It is seven times six.
The GDP is $25 trillion. | The G D P is twenty-five trillion dollars.
He owes me $1. | He owes me one dollar.
Windows 11 came later. | Windows eleven came later.
Email me at john_doe99@gmail.com. | Email me at john underscore doe nine nine at gmail dot com.
King Charles III spoke. | King Charles the third spoke.
10-20% of users. | ten to twenty percent of users.
It was -40°F. | It was minus forty degrees Fahrenheit.
"""


def rows(table: str) -> list[object]:
    pairs = (line.split(" | ") for line in table.strip().splitlines())
    return [pytest.param(written, read, id=written) for written, read in pairs]


@pytest.mark.parametrize(("written", "read"), rows(CHINESE))
def test_chinese_is_read_as_a_person_would(written: str, read: str) -> None:
    assert chinese_normal.normalise(readings.chinese(written)) == read


@pytest.mark.parametrize(("written", "read"), rows(ENGLISH))
def test_english_is_read_as_a_person_would(written: str, read: str) -> None:
    assert english_normal.normalise(readings.english(written)) == read


@pytest.mark.parametrize("text", ["2024", "0.5", "第2名", "-3°C", "$5", "8:30", "1/2", "400-820-8820"])
def test_no_digit_is_left_to_the_networks(text: str) -> None:
    assert not any(c.isdigit() for c in chinese_normal.normalise(readings.chinese(f"这是{text}。")))
    assert not any(c.isdigit() for c in english_normal.normalise(readings.english(f"It is {text}.")))


def test_the_tables_hold_two_hundred_sentences_and_more() -> None:
    assert len(rows(CHINESE)) + len(rows(ENGLISH)) >= 200
