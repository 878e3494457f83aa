"""The English voice of the base install: hibari, a small network that runs on one core at 30 times real time.

`engine` speaks, `english` reads words, `alphabet` and `timing` turn what the network says of its durations
into marks, `graph` loads checked files. The engine `kokoro` shares all but the first: its network teaches
the alphabet and the timing to this one. Learnt from hibari-tts (https://github.com/MMWilliams/hibari,
Apache-2.0), whose package brings the network, the dictionaries and the signal processing.
"""
